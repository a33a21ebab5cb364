"""The entities of one partition: each has a slot (a row in every table), a group, and a time of its last row."""

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from itertools import repeat

import msgspec
import numpy as np
import numpy.typing as npt

from streams.loop.telemetry import Coded

Ints = npt.NDArray[np.int64]


class _State(msgspec.Struct, array_like=True):
    names: list[str]
    groups: list[str]
    arrivals: bytes
    live: bytes
    aside: list[int]


class Entities:
    """A bounded set of entities. One that was silent too long is put aside: what is known of it stays until its slot is
    needed, longest gone first. When all slots are live, new entities get none.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._slots: dict[str, int] = {}
        self.names: list[str] = []
        self.groups: list[str] = []
        self._arrivals = np.zeros(0, np.int64)
        self._live = np.zeros(0, bool)
        self._aside: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def slots_of(self, entities: Sequence[str]) -> tuple[Ints, list[int]]:
        """Return the slot of each entity (-1 where there is no room), and the slots that changed hands.

        New entities get slots, and those put aside come back, in the order given.
        """
        coded = Coded.of(entities)
        slots = np.fromiter(map(self._slots.get, coded.names, repeat(-1)), np.int64, len(coded.names))
        recycled: list[int] = []
        if (slots < 0).any() or not self._live[slots].all():
            slots = np.array([self._admit(name, recycled) for name in coded.names], np.int64)
        return slots[coded.codes], recycled

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

    def put_aside(self, slot: int) -> None:
        """Count the entity as gone until it comes again."""
        self._live[slot] = False
        self._aside[slot] = None

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
                aside=list(self._aside),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all entities by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self.names, self.groups = state.names, state.groups
        self._slots = {name: slot for slot, name in enumerate(state.names)}
        self._arrivals = np.frombuffer(state.arrivals, np.int64).copy()
        self._live = np.frombuffer(state.live, bool).copy()
        self._aside = OrderedDict.fromkeys(state.aside)

    def _admit(self, entity: str, recycled: list[int]) -> int:
        slot = self._slots.get(entity)
        if slot is None:
            slot = self._new_slot(entity, recycled)
            if slot < 0:
                return slot
            self._slots[entity] = slot
        self._live[slot] = True
        self._aside.pop(slot, None)
        return slot

    def _new_slot(self, entity: str, recycled: list[int]) -> int:
        if len(self.names) < self._limit:
            self.names.append(entity)
            self.groups.append("")
            if len(self.names) > len(self._arrivals):
                self._arrivals = np.append(self._arrivals, 0)
                self._live = np.append(self._live, False)
            return len(self.names) - 1
        if not self._aside:
            return -1
        slot, _ = self._aside.popitem(last=False)
        del self._slots[self.names[slot]]
        self.names[slot], self.groups[slot] = entity, ""
        recycled.append(slot)
        return slot
