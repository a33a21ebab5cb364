"""How far each of several models is to be believed about a pattern: by its errors with the pattern's own offset where
that is known, by those of the features alone where it is new.
"""

import numpy as np
import numpy.typing as npt

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

    def known(self, counts: Vector | None) -> Vector | None:
        """Return by how much each action is foretold with its offset, shape (actions,), given how often each model saw
        it on the pattern: shape (actions, models), None without a pattern.
        """
        if counts is None:
            return None
        seen: Vector = np.dot(counts, self._joint.shares)
        return seen / (seen + self._weight)

    def means(self, expected: Vector, known: Vector | None) -> Vector:
        """Return what is expected of each action, shape (actions,), given what each model says (with the offset, where
        there is one), shape (actions, models), and what `known` returned.
        """
        alone: Vector = np.dot(expected, self._alone.shares)
        if known is None:
            return alone
        joint: Vector = np.dot(expected, self._joint.shares)
        return alone + known * (joint - alone)

    def variances(self, noisy: Vector, unknown: Vector, known: Vector | None) -> Vector:
        """Return the variance of these means: of the same two mixes, in the same parts. `noisy` and `unknown` are as in
        `ModelMix.variances`.
        """
        alone = self._alone.variances(noisy, unknown)
        if known is None:
            return alone
        return alone + known * (self._joint.variances(noisy, unknown) - alone)

    def learn(self, expected: Vector, reward: float, *, decided: int, now: int, weight: float) -> None:
        """Fold in `weight` times what each model expected by the features alone and, on a pattern, with its offset:
        shape (1 or 2, models).
        """
        for mix, said in zip((self._alone, self._joint), expected.tolist(), strict=False):  # no offset: the first alone
            mix.learn(said, reward, decided=decided, now=now, weight=weight)

    def columns(self) -> tuple[MixSums, MixSums]:
        """Return the whole state."""
        return self._alone.columns(), self._joint.columns()

    def restore(self, sums: tuple[MixSums, MixSums]) -> None:
        """Replace the state by what `columns` returned."""
        for mix, one in zip((self._alone, self._joint), sums, strict=True):
            mix.restore(one)
