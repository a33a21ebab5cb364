"""Entities put aside: what is known of each, packed, outside of all tables."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.loop.packing import pack, unpack

Row = Sequence[npt.NDArray[Any]]
"""All that is known of one entity: its row of every table, as views. The last axis is either metrics or fixed."""


class _Packed(msgspec.Struct, array_like=True):
    group: str
    sizes: list[int]
    """Bytes of each array."""
    data: bytes


class Aside:
    """A bounded store by entity; those put aside longest ago are forgotten first. Nothing is rounded."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._packed: OrderedDict[str, _Packed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._packed)

    def put(self, entity: str, group: str, row: Row) -> None:
        """Keep a copy of what is known of an entity."""
        arrays = [array.tobytes() for array in row]
        self._packed[entity] = _Packed(group, [len(array) for array in arrays], pack(b"".join(arrays)))
        while len(self._packed) > self._limit:
            self._packed.popitem(last=False)

    def take(self, entity: str, row: Row) -> str | None:
        """Write what is known of an entity over the row of one that nothing is known of, and keep it no longer. Returns
        its group, or None when it is unknown. Metrics that came up meanwhile stay as they are.
        """
        packed = self._packed.pop(entity, None)
        if packed is None:
            return None
        data, start = unpack(packed.data), 0
        for array, size in zip(row, packed.sizes, strict=True):
            known = np.frombuffer(data, array.dtype, size // array.itemsize, start)
            known = known.reshape(*array.shape[:-1], -1) if size else known.reshape(*array.shape[:-1], 0)
            array[..., : known.shape[-1]] = known
            start += size
        return packed.group

    def snapshot(self) -> bytes:
        """Return all of them; equal states give equal bytes."""
        return msgspec.msgpack.encode(list(self._packed.items()))

    def restore(self, snapshot: bytes) -> None:
        """Replace them by those that `snapshot` returned."""
        self._packed = OrderedDict(msgspec.msgpack.decode(snapshot, type=list[tuple[str, _Packed]]))
