"""Many ridge regressions at once: each of several penalties and forgetting rates, for each of several actions.

Recursive least squares by the Sherman-Morrison formula (Haykin, "Adaptive Filter Theory", chapter 9). Forgetting goes
in blocks: within one, updates are exact and of rank one; at its end what was observed fades by one factor while the
penalty stays. So each regression is the solution for one sum over decisions: what was learned late, in whatever order,
weighs as much as it would have weighed in time, and can be taken out again.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RecoveryError
from streams.learners.kernels import ridges
from streams.learners.kernels.ridges import FADE

Vector = npt.NDArray[np.float64]
_LEAST = 1e-12
"""A weight below which an observation is not worth folding in."""


class Ridge(msgspec.Struct, frozen=True, kw_only=True):
    """One regression: `penalty` on every weight, `forgetting` is what an observation weighs after one more decision."""

    penalty: float
    forgetting: float = 1.0


class RidgeSums(msgspec.Struct, array_like=True):
    """What a bank learned, in a snapshot: arrays as bytes of float64."""

    actions: int
    width: int
    clock: int
    counts: bytes
    solutions: bytes


class RidgeBank:
    """`len(models)` regressions for each of `actions` actions, over rows of `width` numbers.

    `_solutions`, shape (actions, models, width + 1, width), holds each one's posterior covariance in units of the noise
    and, as the last row, its weights: the regressions of an action lie together. `counts`, shape (actions, models), are
    observations that have not faded; `clock` counts decisions.
    """

    def __init__(self, models: Sequence[Ridge]) -> None:
        self._models = tuple(models)
        self._every = [_block(model.forgetting) for model in models]
        self._penalties = np.array([model.penalty for model in models])
        self._whole = np.ones(len(models))
        self.clock = 0
        self.counts = np.zeros((0, len(models)))
        self._solutions = np.zeros((0, len(models), 2, 1))
        self._note_fades()

    @property
    def actions(self) -> int:
        """How many actions there is room for."""
        return int(self._solutions.shape[0])

    @property
    def width(self) -> int:
        """The length of a row."""
        return int(self._solutions.shape[3])

    @property
    def weights(self) -> Vector:
        """The weights of each regression, shape (actions, models, width)."""
        return self._solutions[:, :, -1]

    def grow(self, *, actions: int, width: int) -> None:
        """Make room; a new action and a new feature start from nothing but the penalty."""
        old, (had_actions, models, _, had_width) = self._solutions, self._solutions.shape
        if actions == had_actions and width == had_width:
            return
        column = np.arange(width)
        self._solutions = np.zeros((actions, models, width + 1, width))
        self._solutions[:, :, column, column] = 1.0 / self._penalties[:, None]
        self._solutions[:had_actions, :, :had_width, :had_width] = old[:, :, :-1]
        self._solutions[:had_actions, :, width, :had_width] = old[:, :, -1]
        self.counts = np.concatenate((self.counts, np.zeros((actions - had_actions, models))))

    def clear(self, action: int) -> None:
        """Forget what an action earned: its place is given to another."""
        column = np.arange(self.width)
        self._solutions[action] = 0.0
        self._solutions[action][:, column, column] = 1.0 / self._penalties[:, None]
        self.counts[action] = 0.0

    def outlook(self, row: Vector) -> tuple[Vector, Vector, Vector]:
        """Return what each regression says of a row, the variance of that by the noise of what was observed, in units
        of the noise's, and what is left of the doubt there was before any, from 0 to 1: shape (actions, models) each.

        With covariance P and penalty c, x'Px has the part c |Px|^2 by what was not known beforehand: |x|^2 / c at the
        start, and counted as 1 at most. The rest is by noise.
        """
        shape = self.counts.shape
        said, noisy, unknown = np.empty(shape), np.empty(shape), np.empty(shape)
        ridges.outlook(self._solutions, self._penalties, row, said, noisy, unknown)
        return said, noisy, unknown

    def tick(self) -> None:
        """Count one more decision, and fade what is due."""
        self.clock += 1
        if self.clock < self._until_fade:
            return
        for model, every in enumerate(self._every):
            if every and self.clock % every == 0:
                self.counts[:, model] *= FADE
                ridges.fade(self._solutions, model, self._models[model].penalty)
        self._note_fades()

    def learn(self, action: int, row: Vector, reward: float, *, clock: int, weight: float = 1.0) -> None:
        """Fold in `weight` times an observation of the decision counted `clock`; -1 takes it out again."""
        kept = self._whole if weight == 1.0 and clock >= self._faded_at else weight * self._kept(clock)
        ridges.learn(self._solutions, self.counts, action, row, reward, kept)

    def columns(self) -> RidgeSums:
        """Return the whole state."""
        return RidgeSums(
            actions=self.actions,
            width=self.width,
            clock=self.clock,
            counts=self.counts.tobytes(),
            solutions=self._solutions.tobytes(),
        )

    def restore(self, sums: RidgeSums) -> None:
        """Replace the state by what `columns` returned of a bank of equal models; raises `RecoveryError` when that were
        others.
        """
        models, counts, solutions = len(self._models), np.frombuffer(sums.counts), np.frombuffer(sums.solutions)
        shape = (sums.actions, models, sums.width + 1, sums.width)
        if len(counts) != sums.actions * models or len(solutions) != math.prod(shape):
            got = f"{len(counts)} counts of {sums.actions} actions"
            raise RecoveryError(f"state of a bank must be of {models} models, got {got}")
        self.clock = sums.clock
        self.counts, self._solutions = counts.reshape(shape[:2]).copy(), solutions.reshape(shape).copy()
        self._note_fades()

    def _note_fades(self) -> None:
        fades = [self.clock // every * every for every in self._every if every]
        self._faded_at = max(fades, default=0)
        self._until_fade = (
            min((self.clock // every + 1) * every for every in self._every if every) if fades else math.inf
        )

    def _kept(self, clock: int) -> Vector:
        """Return what each model has left of an observation of the decision counted `clock`."""
        kept = [FADE ** (self.clock // every - clock // every) if every else 1.0 for every in self._every]
        return np.array([one if one > _LEAST else 0.0 for one in kept])


def _block(rate: float) -> int:
    """Return the decisions of a block in which a rate comes to what a block keeps; 0 if nothing ever fades."""
    return 0 if rate >= 1.0 else max(1, round(math.log(FADE) / math.log(rate)))
