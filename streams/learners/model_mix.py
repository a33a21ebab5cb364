"""How far each of several models is to be believed: by its squared errors so far, which fade."""

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RecoveryError
from streams.learners.kernels import mixes

Vector = npt.NDArray[np.float64]


class MixSums(msgspec.Struct, array_like=True):
    """What a mix learned, in a snapshot: faded sums as of `clock`."""

    errors: list[float]
    observed: float
    clock: int


class ModelMix:
    """Shares are the softmax of -`trust` times the faded sum of squared errors (Vovk, "Competitive on-line statistics",
    2001; fading as in Herbster and Warmuth, "Tracking the best expert", 1998). `fading` is per decision. An error is
    that of what was expected at the decision: it depends on which outcomes had come by then. `variance` is that of
    outcomes about what the mix says.
    """

    def __init__(self, models: int, *, trust: float, fading: float) -> None:
        self._trust = trust
        self._fading = fading
        self._clock = 0
        self._sums, self.shares = np.zeros(models + 1), np.empty(models)
        self.variance = mixes.weigh(self._sums, trust, self.shares)

    def learn(self, expected: Vector, reward: float, *, decided: int, now: int, weight: float = 1.0) -> None:
        """Fold in `weight` times what each model expected at the decision counted `decided`."""
        since, ago = now - self._clock, now - decided
        self.variance = mixes.learn(
            self._sums, expected, reward, self._fading, since, ago, weight, self._trust, self.shares
        )
        self._clock = now

    def columns(self) -> MixSums:
        """Return the whole state."""
        *errors, observed = self._sums.tolist()
        return MixSums(errors=errors, observed=observed, clock=self._clock)

    def restore(self, sums: MixSums) -> None:
        """Replace the state by what `columns` returned; raises `RecoveryError` when that was of other models."""
        if len(sums.errors) != len(self.shares):
            raise RecoveryError(f"state of a mix must be of {len(self.shares)} models, got {len(sums.errors)}")
        self._sums, self._clock = np.array([*sums.errors, sums.observed]), sums.clock
        self.shares = np.empty(len(sums.errors))
        self.variance = mixes.weigh(self._sums, self._trust, self.shares)
