"""The entities of one partition: each has a slot (a row in every table), a group, and a time of its last row."""

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import repeat

import msgspec
import numpy as np
import numpy.typing as npt

from streams.loop.telemetry import Coded

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seated:
    """A slot that is an entity's from now on; `left` had it before, "" when nobody did."""

    slot: int
    entity: str
    left: str = ""
    left_group: str = ""


class _State(msgspec.Struct, array_like=True):
    names: list[str]
    groups: list[str]
    arrivals: bytes
    live: bytes
    gone: list[int]


class Entities:
    """A bounded set of entities. One that was silent too long is gone: it keeps its slot until that is needed, longest
    gone first, or freed. When all slots are live, new entities get none.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._slots: dict[str, int] = {}
        self.names: list[str] = []
        self.groups: list[str] = []
        self._arrivals = np.zeros(0, np.int64)
        self._live = np.zeros(0, bool)
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._free: list[int] = []
        """A heap: the lowest slot is taken first, so that tables stay short."""

    def __len__(self) -> int:
        return len(self.names)

    def slots_of(self, entities: Sequence[str]) -> tuple[Ints, list[Seated]]:
        """Return the slot of each entity (-1 where there is no room), and who got a slot, in order.

        Entities without one get slots, and those gone come back, in the order given.
        """
        coded = Coded.of(entities)
        slots = np.fromiter(map(self._slots.get, coded.names, repeat(-1)), np.int64, len(coded.names))
        seated: list[Seated] = []
        if (slots < 0).any() or not self._live[slots].all():
            slots = np.array([self._admit(name, seated) for name in coded.names], np.int64)
        return slots[coded.codes], seated

    def arrive(self, slots: Ints, now_us: int) -> None:
        """Note rows of these entities."""
        self._arrivals[slots] = now_us

    def join(self, slots: Ints, groups: Mapping[int, str]) -> None:
        """Put entities into the groups that some of these rows name, in their order."""
        for row, group in groups.items():
            self.groups[slots[row]] = group

    def group_changes(self, slots: Ints, groups: Mapping[int, str]) -> list[int]:
        """Return the rows before which to cut, so that no row is taken for one of a group that a later one names."""
        rows = slots.tolist()
        if all(self.groups[slot] == group for slot, group in {(rows[row], group) for row, group in groups.items()}):
            return []
        cuts: list[int] = []
        now_in: dict[int, str] = {}
        since_cut: set[int] = set()
        for row, slot in enumerate(rows):
            group = groups.get(row)
            if group is not None:
                if slot in since_cut and now_in.get(slot, self.groups[slot]) != group:
                    cuts.append(row)
                    since_cut.clear()
                now_in[slot] = group
            since_cut.add(slot)
        return cuts

    def leave(self, slot: int) -> None:
        """Count the entity as gone until it comes again."""
        self._live[slot] = False
        self._gone[slot] = None

    def gone(self) -> Ints:
        """Return the slots of gone entities, longest gone first."""
        return np.fromiter(self._gone, np.int64, len(self._gone))

    def free(self, slot: int) -> None:
        """Take its slot from a gone entity."""
        del self._gone[slot], self._slots[self.names[slot]]
        self.names[slot] = self.groups[slot] = ""
        heappush(self._free, slot)

    def first_arrival(self) -> int | None:
        """Return the loop time of the oldest last row of a live entity."""
        return int(self._arrivals[self._live].min()) if self._live.any() else None

    def arrival(self, slots: Ints) -> Ints:
        """Return the loop time of the last row of each."""
        return self._arrivals[slots]

    def silent_since(self, time_us: int) -> Ints:
        """Return the live slots without a row after this loop time."""
        return (self._live & (self._arrivals <= time_us)).nonzero()[0]

    def live_by_group(self) -> Counter[str]:
        """Return how many live entities each group has."""
        return Counter(self.groups[slot] for slot in np.flatnonzero(self._live).tolist())

    def group_of(self, entity: str) -> str:
        """Return the group of a known entity."""
        return self.groups[self._slots[entity]]

    def snapshot(self) -> bytes:
        """Return all entities; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                names=self.names,
                groups=self.groups,
                arrivals=self._arrivals.tobytes(),
                live=self._live.tobytes(),
                gone=list(self._gone),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all entities by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.names, self.groups = state.names, state.groups
        self._slots = {name: slot for slot, name in enumerate(state.names) if name}
        self._free = [slot for slot, name in enumerate(state.names) if not name]
        self._arrivals = np.frombuffer(state.arrivals, np.int64).copy()
        self._live = np.frombuffer(state.live, bool).copy()
        self._gone = OrderedDict.fromkeys(state.gone)

    def _admit(self, entity: str, seated: list[Seated]) -> int:
        slot = self._slots.get(entity)
        if slot is None:
            found = self._seat(entity)
            if found is None:
                return -1
            seated.append(found)
            slot = self._slots[entity] = found.slot
            self.names[slot], self.groups[slot] = entity, ""
        self._live[slot] = True
        self._gone.pop(slot, None)
        return slot

    def _seat(self, entity: str) -> Seated | None:
        if self._free:
            return Seated(heappop(self._free), entity)
        if len(self.names) < self._limit:
            self.names.append("")
            self.groups.append("")
            if len(self.names) > len(self._arrivals):
                self._arrivals = np.append(self._arrivals, 0)
                self._live = np.append(self._live, False)
            return Seated(len(self.names) - 1, entity)
        if not self._gone:
            return None
        slot, _ = self._gone.popitem(last=False)
        del self._slots[self.names[slot]]
        return Seated(slot, entity, self.names[slot], self.groups[slot])
