"""What found no room since that was last told: at once at first, then once a minute at most."""

from schemas.events import Event, Overflow
from streams.loop.occasion import Occasion
from streams.loop.untold import Untold

TOLD_EVERY_US = 60_000_000
NAMES_LIMIT = 1_000
"""Different names that are told apart at most."""
EXAMPLES = 5


class TurnedAway:
    """Counts what the setting `limit` left no room for."""

    def __init__(self, limit: str) -> None:
        self._limit = limit
        self._rows = 0
        self._names: dict[str, None] = {}
        self._told_us: int | None = None

    def note(self, name: str, on: Occasion) -> list[Event]:
        """Count one more; return what is told of all of them, if it is time."""
        self._rows += 1
        if len(self._names) < NAMES_LIMIT:
            self._names[name] = None
        due_us = self.next_us()
        return self.tell(on) if due_us is None or on.now.us >= due_us else []

    def next_us(self) -> int | None:
        """Return when what is still to be told may be; None where there is nothing, or nothing was told before."""
        return self._told_us + TOLD_EVERY_US if self._rows and self._told_us is not None else None

    def tell(self, on: Occasion) -> list[Event]:
        """Return what is told of all that was counted since that was last done."""
        overflow = Overflow(
            id=on.id(),
            time_us=on.now.us,
            causes=on.causes,
            partition=0,
            limit=self._limit,
            rows=self._rows,
            names=len(self._names),
            examples=tuple(self._names)[:EXAMPLES],
        )
        self._rows, self._names, self._told_us = 0, {}, on.now.us
        return [overflow]

    def columns(self) -> Untold:
        """Return the whole state."""
        return Untold(self._rows, list(self._names), self._told_us)

    def restore(self, state: Untold) -> None:
        """Replace the state by what `columns` returned."""
        self._rows, self._names, self._told_us = state.rows, dict.fromkeys(state.names), state.told_us
