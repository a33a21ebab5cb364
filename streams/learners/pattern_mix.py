"""How far each of several models is to be believed about a pattern: by its errors with the pattern's own offset where
that is known, by those of the features alone where it is new.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.learners.kernels import mixes
from streams.learners.kernels.mixes import Places
from streams.learners.model_mix import MixSums, ModelMix

Vector = npt.NDArray[np.float64]


class PatternMix:
    """Offsets make up for what a model draws to 0 too strongly: models that foretell known patterns alike differ on new
    ones. So there are two mixes. An action observed n times on a pattern is foretold by n / (n + `weight`) of the one
    that was right with offsets, the rest by the one that was right without.
    """

    def __init__(self, models: int, *, trust: float, fading: float, weight: float) -> None:
        self._weight = weight
        self._alone = ModelMix(models, trust=trust, fading=fading)
        self._joint = ModelMix(models, trust=trust, fading=fading)

    def of(self, pattern: str | None) -> ModelMix:
        """Return the mix by the errors on patterns, or by those of the features alone."""
        return self._alone if pattern is None else self._joint

    def outlook(
        self,
        expected: Sequence[Vector],
        noisy: Vector,
        unknown: Vector,
        counts: Vector,
        *,
        places: Places,
        priors: Vector,
    ) -> tuple[Vector, Vector, float]:
        """Return what the actions at some places are expected to earn, its standard deviation, and how often they were
        seen: given what each model expects (as in `learn`), above these priors, the two parts of the variance of the
        last of that as in `RidgeBank.outlook`, and how often each model saw each action (on the pattern): shape
        (actions, models) each.

        What is not known is as doubtful in a quiet world as in a noisy one.
        """
        alone, joint = self._alone, self._joint
        means, spreads = np.empty(len(places)), np.empty(len(places))
        seen = mixes.outlook(
            expected[-1],
            noisy,
            unknown,
            counts,
            places,
            priors,
            alone.shares,
            alone.variance,
            joint.shares,
            joint.variance,
            self._weight if len(expected) > 1 else math.inf,
            means,
            spreads,
        )
        return means, spreads, seen

    def believed(self, counts: Vector | None) -> Vector:
        """Return how far each model is believed of an action, shape (models,): by the shares of the features alone, and
        as far as the action is known on the pattern, by those with offsets. `counts`, of the same shape, are how often
        each model saw it there, None without a pattern.
        """
        alone, joint = self._alone.shares, self._joint.shares
        if counts is None:
            return alone
        seen = float(np.dot(counts, joint))
        return alone + seen / (seen + self._weight) * (joint - alone)

    def learn(self, expected: Sequence[Vector], reward: float, *, decided: int, now: int, weight: float) -> None:
        """Fold in `weight` times what each model expected by the features alone and, on a pattern, with its offset."""
        for mix, said in zip((self._alone, self._joint), expected, strict=False):  # no offset: the first alone
            mix.learn(said, reward, decided=decided, now=now, weight=weight)

    def columns(self) -> tuple[MixSums, MixSums]:
        """Return the whole state."""
        return self._alone.columns(), self._joint.columns()

    def restore(self, sums: tuple[MixSums, MixSums]) -> None:
        """Replace the state by what `columns` returned."""
        for mix, one in zip((self._alone, self._joint), sums, strict=True):
            mix.restore(one)
