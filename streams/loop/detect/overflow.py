"""What finds no room in a partition: all of it in one bucket per limit, told about once a minute."""

from collections.abc import Iterable

import msgspec

from schemas.events import Overflow
from schemas.ids import Cause
from streams.loop.detect.episodes import Draft

LIMITS = ("entity_limit", "metric_limit", "window_rows_limit", "letter_limit", "letter_bytes")
"""The settings that rows, or values, are left out for; late rows beyond the last two are in no dead letter."""
TOLD_EVERY_US = 60_000_000
NAMES_LIMIT = 1_000
"""Different names that are told apart at most."""
EXAMPLES = 5


class _Bucket(msgspec.Struct, array_like=True):
    told: int = 0
    """How many there were when they were last told."""
    told_us: int | None = None
    names: dict[str, None] = {}
    """Since they were last told, in order of appearance."""


class Overflows:
    """`counts`, by limit, is added to by whoever leaves something out."""

    def __init__(self, *, partition: int, counts: dict[str, int]) -> None:
        self._partition = partition
        self._counts = counts
        self._buckets = {limit: _Bucket() for limit in LIMITS}

    def note(self, limit: str, names: Iterable[str]) -> None:
        """Note who found no room."""
        known = self._buckets[limit].names
        for name in names:
            if len(known) >= NAMES_LIMIT:
                return
            known[name] = None

    def tell(self, due_us: int) -> list[Draft]:
        """Return what each bucket has taken since it was last told; at once at first, then once a minute."""
        drafts = []
        for limit, bucket in self._buckets.items():
            rows = self._counts[limit] - bucket.told
            if rows and (bucket.told_us is None or due_us >= bucket.told_us + TOLD_EVERY_US):
                drafts.append(self._overflow(limit, rows, list(bucket.names), due_us))
                self._buckets[limit] = _Bucket(told=self._counts[limit], told_us=due_us)
        return drafts

    def snapshot(self) -> bytes:
        """Return all that is known; equal states give equal bytes."""
        return msgspec.msgpack.encode(self._buckets)

    def restore(self, snapshot: bytes) -> None:
        """Replace all that is known by what `snapshot` returned."""
        self._buckets = msgspec.msgpack.decode(snapshot, type=dict[str, _Bucket])

    def _overflow(self, limit: str, rows: int, names: list[str], due_us: int) -> Draft:
        cause = Cause(f"timer:detect:overflow/{limit}", self._partition, due_us)
        fields = {
            "partition": self._partition,
            "limit": limit,
            "rows": rows,
            "names": len(names),
            "examples": tuple(names[:EXAMPLES]),
        }
        return Draft(type=Overflow, cause=cause, fields=fields)
