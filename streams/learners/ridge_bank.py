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

Vector = npt.NDArray[np.float64]
FADE = 0.5
"""What observations keep at the end of a block."""
EVEN_EVERY = 1_024
"""Decisions after which covariances that never fade are made symmetric again, too."""
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
    and, as the last row, its weights: the regressions of an action lie together, so that one product asks and one
    difference teaches all of them. `counts`, shape (actions, models), are observations that have not faded; `clock`
    counts decisions.
    """

    def __init__(self, models: Sequence[Ridge]) -> None:
        self._models = tuple(models)
        self._every = [_block(model.forgetting) for model in models]
        self.clock = self._faded_at = 0
        self._until_fade = min(self._every)
        self._penalties = np.array([model.penalty for model in models])
        self.counts = np.zeros((0, len(models)))
        self._hold(np.zeros((0, len(models), 2, 1)))

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
        self._hold(np.zeros((actions, models, width + 1, width)))
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

    def predict(self, row: Vector) -> Vector:
        """Return what each regression says of a row, shape (actions, models)."""
        said: Vector = np.dot(self._all_weights, row).reshape(-1, len(self._models))
        return said

    def outlook(self, row: Vector) -> tuple[Vector, Vector, Vector]:
        """Return what each regression says of a row, the variance of that by the noise of what was observed, in units
        of the noise's, and what is left of the doubt there was before any, from 0 to 1: shape (actions, models) each.

        With covariance P and penalty c, x'Px has the part c |Px|^2 by what was not known beforehand: |x|^2 / c at the
        start, and counted as 1 at most. The rest is by noise.
        """
        height = self._shape[1]
        asked = np.dot(self._rows, row).reshape(-1, len(self._models), height)
        said = asked[:, :, -1].copy()
        asked[:, :, -1] = 0.0
        padded = self._padded
        padded[:-1] = row
        unknown = np.vecdot(asked, asked)
        unknown *= self._penalties
        variances = np.dot(asked, padded)
        variances -= unknown
        unknown *= np.minimum(self._penalties / np.dot(row, row), 1.0)
        return said, variances, unknown

    def tick(self) -> None:
        """Count one more decision, and fade what is due."""
        self.clock += 1
        if self.clock < self._until_fade:
            return
        for model, every in enumerate(self._every):
            if self.clock % every == 0:
                self._fade(model)
        self._note_fades()

    def learn(self, action: int, row: Vector, reward: float, *, clock: int, weight: float = 1.0) -> None:
        """Fold in `weight` times an observation of the decision counted `clock`; -1 takes it out again."""
        solutions, rows = self._of_action[action]
        padded = self._padded
        padded[:-1] = row
        missed = np.dot(rows, row).reshape(self._shape)
        spread = np.dot(missed, padded)
        missed[:, -1] -= reward
        if weight == 1.0 and clock >= self._faded_at:
            self.counts[action] += 1.0
            spread += 1.0
            gain = missed / spread[:, None]
        else:
            kept = weight * self._kept(clock)
            self.counts[action] += kept
            gain = missed * (kept / (1.0 + kept * spread))[:, None]
        solutions -= missed[:, :, None] * gain[:, None, :-1]

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
        """Replace the state by what `columns` returned of a bank of equal models."""
        self.clock = sums.clock
        self.counts = np.frombuffer(sums.counts).reshape(sums.actions, len(self._models)).copy()
        shape = (sums.actions, len(self._models), sums.width + 1, sums.width)
        self._hold(np.frombuffer(sums.solutions).reshape(shape).copy())
        self._note_fades()

    def _hold(self, solutions: Vector) -> None:
        """Keep the solutions, and views of them that are two-dimensional: one call of BLAS then serves all models."""
        actions, models, height, width = solutions.shape
        self._solutions = solutions
        self._rows = solutions.reshape(actions * models * height, width)
        self._all_weights = solutions.reshape(actions * models, height, width)[:, -1]
        self._of_action = [(one, one.reshape(models * height, width)) for one in solutions]
        self._shape = models, height
        self._padded = np.zeros(height)  # a row, and 0 for the weights

    def _note_fades(self) -> None:
        self._faded_at = max(self.clock // every * every for every in self._every)
        self._until_fade = min((self.clock // every + 1) * every for every in self._every)

    def _kept(self, clock: int) -> Vector:
        """Return what each model has left of an observation of the decision counted `clock`."""
        blocks = [self.clock // every - clock // every for every in self._every]
        kept = [1.0 if self._models[n].forgetting >= 1.0 else FADE**number for n, number in enumerate(blocks)]
        return np.array([one if one > _LEAST else 0.0 for one in kept])

    def _fade(self, model: int) -> None:
        """Let what one model observed weigh less. With covariance P, penalty c and what is kept q, the inverse of
        q (1/P - c) + c is the solution X of (q + (1 - q) c P) X = P: always well conditioned.
        """
        solutions, width = self._solutions[:, model], self.width
        if self._models[model].forgetting < 1.0:
            self.counts[:, model] *= FADE
            left = (1.0 - FADE) * self._models[model].penalty * solutions[:, :-1]
            column = np.arange(width)
            left[:, column, column] += FADE
            solutions[:, -1] *= FADE
            solutions[:] = np.linalg.solve(left, solutions.transpose(0, 2, 1)).transpose(0, 2, 1)
        # rounding makes covariances lopsided, and fading would double that every time
        solutions[:, :-1] = (solutions[:, :-1] + solutions[:, :-1].transpose(0, 2, 1)) / 2.0


def _block(rate: float) -> int:
    """Return the decisions of a block in which a rate comes to what a block keeps."""
    return EVEN_EVERY if rate >= 1.0 else max(1, round(math.log(FADE) / math.log(rate)))
