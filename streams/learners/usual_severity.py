"""How bad an entity usually is when it is abnormal: what is bad for one is nothing new for another."""

import math
from collections import OrderedDict

import msgspec

MEMORY = 32
"""Episodes that count, the latest ones."""
PRIOR = 3.0
"""As many episodes without any severity are taken for granted: of few, little is known."""


class UsualSeverity:
    """Keeps, per entity, the mean order of magnitude of its latest episodes; the `limit` entities seen last."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Entity to how many episodes (at most `MEMORY`), and the mean of log(1 + severity)."""

    def learn(self, entity: str, severity: float) -> None:
        """Learn how bad (0 or more) an episode of an entity was at its worst."""
        count, mean = self._known.pop(entity, (0, 0.0))
        count = min(count + 1, MEMORY)
        self._known[entity] = (count, mean + (math.log1p(severity) - mean) / count)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def strength(self, entity: str, severity: float) -> float:
        """Return log(1 + severity over what is usual), 0 or more: 1 is usual for an entity that never was abnormal."""
        count, mean = self._known.get(entity, (0, 0.0))
        return math.log1p(severity * math.exp(-mean * count / (count + PRIOR)))

    def snapshot(self) -> bytes:
        """Return what is known; equal states give equal bytes."""
        return msgspec.msgpack.encode([(entity, *known) for entity, known in self._known.items()])

    def restore(self, snapshot: bytes) -> None:
        """Replace what is known by what `snapshot` returned."""
        rows = msgspec.msgpack.decode(snapshot, type=list[tuple[str, int, float]])
        self._known = OrderedDict((entity, (count, mean)) for entity, count, mean in rows)
