"""Weighted means and comoments of rows: they add up, fade, and what was added can be taken out again.

Method: Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (The American Statistician, 1983), with
weights; taking out is the same formula solved for the other part.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """`mean` has the shape (width,), `spread`, the weighted sum of products of deviations, (width, width)."""

    weight: float
    mean: Vector
    spread: Vector

    @classmethod
    def none(cls, width: int) -> Self:
        """Return those of no rows."""
        return cls(0.0, np.zeros(width), np.zeros((width, width)))

    @classmethod
    def of(cls, rows: Vector, weight: float) -> Self:
        """Return those of rows of the shape (n, width), n at least 1, that weigh `weight` each."""
        mean = rows.mean(axis=0)
        apart = rows - mean
        return cls(weight * len(rows), mean, weight * (apart.T @ apart))

    def plus(self, other: Self) -> Self:
        """Return those of both."""
        weight = self.weight + other.weight
        if weight <= 0.0:
            return self
        apart = other.mean - self.mean
        share = other.weight / weight
        spread = self.spread + other.spread + np.outer(apart, apart) * (self.weight * share)
        return type(self)(weight, self.mean + share * apart, spread)

    def minus(self, other: Self) -> Self:
        """Return those that with `other` give these; none where no weight is left."""
        weight = self.weight - other.weight
        if weight <= 1e-9 * self.weight:
            return self.none(len(self.mean))
        apart = other.mean - self.mean
        moved = other.weight / weight
        spread = self.spread - other.spread - np.outer(apart, apart) * (self.weight * moved)
        return type(self)(weight, self.mean - moved * apart, spread)

    def faded(self, kept: float) -> Self:
        """Return those of the same rows at the share `kept` of their weight."""
        return type(self)(kept * self.weight, self.mean, kept * self.spread)

    def widened(self, values: Vector) -> Self:
        """Return those with more columns, which were constant at `values` so far."""
        more = len(values)
        return type(self)(self.weight, np.concatenate((self.mean, values)), np.pad(self.spread, ((0, more), (0, more))))
