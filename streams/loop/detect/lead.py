"""The last windows of every entity: an episode shows only in hindsight when it began."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LeadIn:
    """What came just before the window that opened an episode: when its first abnormal window began (None: none
    before), the z of the window just before, shape (1 or 0, metrics), and the event tokens said shortly before.
    """

    began_us: int | None
    z: Floats
    tokens: tuple[str, ...] = ()


NO_LEAD = LeadIn(None, np.zeros((0, 0)))


class _State(msgspec.Struct, array_like=True):
    slots: int
    metrics: int
    starts: bytes
    z: bytes


class Lead:
    """When the last `windows` windows of each entity (slot) began, the latest first, and z of the latest one.

    z is kept in single precision.
    """

    def __init__(self, *, windows: int) -> None:
        self._windows = windows
        self._starts = np.zeros((windows, 0), np.int64)
        self._z = np.zeros((0, 0), np.float32)

    def grow(self, slots: int, metrics: int) -> None:
        """Make room for so many entities and metrics."""
        more = max(0, slots - self._starts.shape[1])
        self._starts = np.pad(self._starts, ((0, 0), (0, more)))
        self._z = np.pad(self._z, ((0, more), (0, max(0, metrics - self._z.shape[1]))))

    def clear(self, slot: int) -> None:
        """Give the slot to another entity."""
        self._starts[:, slot] = 0
        self._z[slot] = 0

    def clear_metric(self, slots: Ints, metric: int) -> None:
        """Forget one metric (column) of some entities."""
        self._z[slots, metric] = 0

    def row(self, slot: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of one entity, as views."""
        return [self._starts[:, slot], self._z[slot]]

    def before(self, slot: int, recent: int, *, since_us: int) -> LeadIn:
        """Return what came before the window that opened an episode, but nothing that began before `since_us`; bit k
        of `recent` is set where the window k before it was abnormal.
        """
        if not self._windows or self._starts[0, slot] < since_us:
            return NO_LEAD
        near = (age for age in range(1, self._windows + 1) if self._starts[age - 1, slot] >= since_us)
        began = max((age for age in near if recent >> age & 1), default=0)
        began_us = int(self._starts[began - 1, slot]) if began else None
        return LeadIn(began_us, self._z[slot : slot + 1].astype(float))

    def again(self, slots: Ints, starts_us: Ints) -> Flags:
        """Return which windows are another part of their entity's latest one: a silence cut it in two."""
        again: Flags = self._starts[0, slots] == starts_us if self._windows else np.zeros(len(slots), bool)
        return again

    def push(self, slots: Ints, starts_us: Ints, z: Floats) -> None:
        """Note a window of each of distinct slots, or another part of the latest one."""
        if not self._windows:
            return
        self._z[slots] = z
        again = self.again(slots, starts_us)
        if np.count_nonzero(again):
            slots, starts_us = slots[~again], starts_us[~again]
        self._starts[1:, slots] = self._starts[:-1, slots]
        self._starts[0, slots] = starts_us

    def snapshot(self) -> bytes:
        """Return all windows; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                slots=self._starts.shape[1],
                metrics=self._z.shape[1],
                starts=self._starts.tobytes(),
                z=self._z.tobytes(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all windows by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        shape = (self._windows, state.slots)
        self._starts = np.frombuffer(state.starts, np.int64).reshape(shape).copy()
        self._z = np.frombuffer(state.z, np.float32).reshape(state.slots, state.metrics).copy()
