"""How far each of several models is to be believed: by its squared errors so far, which fade."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from streams.learners.compiled import compiled

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
        self._errors = np.zeros(models)
        self._observed = 0.0
        self._clock = 0
        self.shares = np.empty(models)
        self._spread(_weigh(self._errors, self._trust, self.shares))

    def learn(self, expected: Vector, reward: float, *, decided: int, now: int, weight: float = 1.0) -> None:
        """Fold in `weight` times what each model expected at the decision counted `decided`."""
        faded = self._fading ** (now - self._clock)
        weight *= self._fading ** (now - decided)
        error = _learn(self._errors, expected, reward, faded, weight, self._trust, self.shares)
        self._observed = max(0.0, self._observed * faded + weight)
        self._clock = now
        self._spread(error)

    def columns(self) -> MixSums:
        """Return the whole state."""
        return MixSums(errors=self._errors.tolist(), observed=self._observed, clock=self._clock)

    def restore(self, sums: MixSums) -> None:
        """Replace the state by what `columns` returned."""
        self._errors, self._observed, self._clock = np.array(sums.errors), sums.observed, sums.clock
        self._spread(_weigh(self._errors, self._trust, self.shares))

    def _spread(self, error: float) -> None:
        self.variance = (max(0.0, error) + PRIOR_VARIANCE) / (self._observed + 1.0)


@compiled("f8(f8[::1], f8, f8[::1])")
def _weigh(errors: Vector, trust: float, shares: Vector) -> float:
    """Write the shares, and return the error of the mix: that of its models by them."""
    least, total, error = errors.min(), 0.0, 0.0
    for n in range(len(errors)):
        shares[n] = math.exp(trust * (least - errors[n]))
        total += shares[n]
    for n in range(len(errors)):
        shares[n] /= total
        error += shares[n] * errors[n]
    return error


@compiled("f8(f8[::1], f8[::1], f8, f8, f8, f8, f8[::1])")
def _learn(
    errors: Vector, expected: Vector, reward: float, faded: float, weight: float, trust: float, shares: Vector
) -> float:
    """Let errors fade, add those of one outcome, and return what `_weigh` then does."""
    for n in range(len(errors)):
        missed = expected[n] - reward
        errors[n] = faded * errors[n] + weight * missed * missed
    return _weigh(errors, trust, shares)
