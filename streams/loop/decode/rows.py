"""Bad rows of one message, told singly up to a limit."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.loop.decode.columns import Integers
from streams.loop.decode.samples import Checks
from streams.loop.role import BadRow

BAD_ROWS_LIMIT = 10
"""Most rows of one message that are told singly: each dead letter holds the whole message."""


class Faults:
    """Collects what cannot be used, message by message."""

    def __init__(self) -> None:
        self._rows: list[BadRow] = []
        self._counts: dict[int, int] = {}

    def add(self, index: int, reason: str, detail: str, row: int | None = None) -> None:
        """Note a bad message, or a bad row of it."""
        count = self._counts.get(index, 0) + 1
        self._counts[index] = count
        if count <= BAD_ROWS_LIMIT:
            self._rows.append(BadRow(index=index, reason=reason, detail=detail[:500], row=row))

    def told(self) -> list[BadRow]:
        """Return all of them in order; beyond the limit one more row per message says how many there were."""
        more = [
            BadRow(index=index, reason="more-bad-rows", detail=f"{count - BAD_ROWS_LIMIT} more rows are bad")
            for index, count in self._counts.items()
            if count > BAD_ROWS_LIMIT
        ]
        return sorted([*self._rows, *more], key=lambda bad: bad.index)


@dataclass(frozen=True, slots=True)
class Messages:
    """Neighbouring messages of one batch: `places` are their indices in it, `offsets` those in their topic."""

    values: Sequence[bytes | None]
    places: Sequence[int]
    offsets: Integers

    def cut(self, start: int, stop: int) -> "Messages":
        """Return those from `start` to before `stop`."""
        return Messages(self.values[start:stop], self.places[start:stop], self.offsets[start:stop])


@dataclass(frozen=True, slots=True)
class Reading:
    """What goes along with reading one batch: the limits, the time, and the faults found so far."""

    checks: Checks
    now_us: int
    faults: Faults
