"""What metrics are to be held against when their season changes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasons:
    """What n metrics (columns), each of another row, are to be held against from now on; all of shape (n,)."""

    rows: Rows
    metrics: Rows
    weight: Floats
    """One over the windows of a period, if that is its own and not that of the day, else 0."""
    last: Floats
    """The value just learned, less its slot if the period is its own."""
    known: Flags
    """Whether anything is known of what follows."""
    slots: Floats
    """What values deviate from `level` by phase, shape (n, SLOTS)."""
    level: Floats
    noise: Floats
    """Mean size of what is left of values, were they independent, ..."""
    residual: Floats
    """... and of averages of them over a bin."""
