"""Tables that grow row by row and column by column."""

from typing import Any

import numpy as np
import numpy.typing as npt


def room_for(rows: int, room: int, *, limit: int | None) -> int:
    """Return for how many rows to make room, when there is room for `room`: twice that, but never more than `limit`."""
    if rows <= room:
        return room
    return max(rows, 2 * room if limit is None else min(2 * room, limit))


def widened(table: npt.NDArray[Any], shape: tuple[int, int, int], fill: float) -> npt.NDArray[Any]:
    """Return a copy of a table (rows, planes, columns) of another shape; what is new is `fill`."""
    rows, _, columns = table.shape
    wide = np.full(shape, fill, table.dtype)
    wide[:rows, :, :columns] = table
    return wide
