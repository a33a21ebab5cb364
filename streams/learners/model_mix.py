"""How far each of several models is to be believed: by its squared errors so far, which fade."""

import math
import operator
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
PRIOR_VARIANCE = 0.25
"""Of rewards, before any was seen: the largest that rewards between 0 and 1 can have."""


class MixSums(msgspec.Struct, array_like=True):
    """What a mix learned, in a snapshot: faded sums as of `clock`."""

    errors: list[float]
    observed: float
    clock: int


class ModelMix:
    """Shares are the softmax of -`trust` times the faded sum of squared errors (Vovk, "Competitive on-line statistics",
    2001; fading as in Herbster and Warmuth, "Tracking the best expert", 1998). `fading` is per decision. An error is
    that of what was expected at the decision: it depends on which outcomes had come by then.
    """

    def __init__(self, models: int, *, trust: float, fading: float) -> None:
        self._trust = trust
        self._fading = fading
        self._errors = [0.0] * models
        self._observed = 0.0
        self._clock = 0
        self._weigh()

    def learn(self, expected: Sequence[float], reward: float, *, decided: int, now: int, weight: float = 1.0) -> None:
        """Fold in `weight` times what each model expected at the decision counted `decided`."""
        faded = self._fading ** (now - self._clock)
        weight *= self._fading ** (now - decided)
        # few models: lists are faster than arrays
        missed = [one - reward for one in expected]
        self._errors = [faded * error + weight * one * one for error, one in zip(self._errors, missed, strict=True)]
        self._observed = max(0.0, self._observed * faded + weight)
        self._clock = now
        self._weigh()

    def variances(self, noisy: Vector, unknown: Vector) -> Vector:
        """Return the variance of what is expected of each action, shape (actions,), given that of each model by noise,
        in units of the noise's, and what is left of its doubt at the start: shape (actions, models) each. What is not
        known is as doubtful in a quiet world as in a noisy one.
        """
        variances: Vector = np.dot(noisy, self.shares) * self.variance + np.dot(unknown, self.shares) * PRIOR_VARIANCE
        return variances

    def columns(self) -> MixSums:
        """Return the whole state."""
        return MixSums(errors=self._errors, observed=self._observed, clock=self._clock)

    def restore(self, sums: MixSums) -> None:
        """Replace the state by what `columns` returned."""
        self._errors, self._observed, self._clock = sums.errors, sums.observed, sums.clock
        self._weigh()

    def _weigh(self) -> None:
        errors, trust = self._errors, self._trust
        least = min(errors)
        weights = [math.exp(trust * (least - error)) for error in errors]
        total = sum(weights)
        self.shares = np.array([weight / total for weight in weights])
        error = sum(map(operator.mul, weights, errors)) / total
        self.variance = (max(0.0, error) + PRIOR_VARIANCE) / (self._observed + 1.0)
