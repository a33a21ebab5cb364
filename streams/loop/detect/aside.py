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
OVERHEAD_BYTES = 200
"""What an entity takes besides its packed bytes, about."""


class Packed(msgspec.Struct, array_like=True):
    """What is known of one entity."""

    group: str
    releases: int
    """How often columns had been taken from metrics by then."""
    sizes: list[int]
    """Bytes of each array."""
    data: bytes

    def onto(self, row: Row) -> None:
        """Write it over a row that nothing is known of. Metrics that came up meanwhile stay as they are."""
        data, start = unpack(self.data), 0
        for array, size in zip(row, self.sizes, strict=True):
            known = np.frombuffer(data, array.dtype, size // array.itemsize, start)
            known = known.reshape(*array.shape[:-1], -1) if size else known.reshape(*array.shape[:-1], 0)
            array[..., : known.shape[-1]] = known
            start += size


class Aside:
    """A store by entity, bounded in entities and in packed bytes; those put aside longest ago are forgotten first.
    Nothing is rounded.
    """

    def __init__(self, *, limit: int, bytes_limit: int) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._packed: OrderedDict[str, Packed] = OrderedDict()
        self._bytes = 0

    def put(self, entity: str, group: str, row: Row, blank: Row, *, releases: int) -> None:
        """Keep what is known of an entity. `blank` is the row of one that nothing is known of: its last columns are
        left out as far as they are like that, so it does not show whether metrics that the entity never had are known.
        """
        arrays = [_known(array, empty).tobytes() for array, empty in zip(row, blank, strict=True)]
        sizes = [len(array) for array in arrays]
        self._packed[entity] = Packed(group, releases, sizes, pack(b"".join(arrays)))
        self._bytes += _bytes_of(self._packed[entity])
        while len(self._packed) > self._limit or self._bytes > self._bytes_limit:
            self._bytes -= _bytes_of(self._packed.popitem(last=False)[1])

    def take(self, entity: str) -> Packed | None:
        """Return what is known of an entity, and keep it no longer; None when it is unknown."""
        packed = self._packed.pop(entity, None)
        if packed is not None:
            self._bytes -= _bytes_of(packed)
        return packed

    def size(self) -> int:
        """Return how many bytes all of it takes, about."""
        return self._bytes

    def columns(self) -> list[tuple[str, Packed]]:
        """Return all of them, uncopied; equal states encode to equal bytes."""
        return list(self._packed.items())

    def adopt(self, packed: list[tuple[str, Packed]]) -> None:
        """Replace them by those that `columns` returned."""
        self._packed = OrderedDict(packed)
        self._bytes = sum(map(_bytes_of, self._packed.values()))


def _known(array: npt.NDArray[Any], blank: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array without those of its last columns that are the same, to the last bit, in a blank one."""
    if array[..., -1:].tobytes() != blank[..., -1:].tobytes():  # so it is for most
        return array
    differs = (_bits(array) != _bits(blank)).any(axis=0).nonzero()[0]
    return array[..., : differs[-1] + 1 if len(differs) else 0]


def _bits(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the bits of an array as integers of its size, shape (rows, columns)."""
    flat = np.ascontiguousarray(array).reshape(-1, array.shape[-1])
    return flat.view(f"u{array.itemsize}")


def _bytes_of(packed: Packed) -> int:
    return len(packed.data) + OVERHEAD_BYTES
