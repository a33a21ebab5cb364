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

from streams.learners.compiled import compiled

Vector = npt.NDArray[np.float64]
FADE = 0.5
"""What observations keep at the end of a block."""
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
        _outlook(self._solutions, self._penalties, row, said, noisy, unknown)
        return said, noisy, unknown

    def tick(self) -> None:
        """Count one more decision, and fade what is due."""
        self.clock += 1
        if self.clock < self._until_fade:
            return
        for model, every in enumerate(self._every):
            if every and self.clock % every == 0:
                self.counts[:, model] *= FADE
                _fade(self._solutions, model, self._models[model].penalty)
        self._note_fades()

    def learn(self, action: int, row: Vector, reward: float, *, clock: int, weight: float = 1.0) -> None:
        """Fold in `weight` times an observation of the decision counted `clock`; -1 takes it out again."""
        kept = self._whole if weight == 1.0 and clock >= self._faded_at else weight * self._kept(clock)
        _learn(self._solutions, self.counts, action, row, reward, kept)

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
        self._solutions = np.frombuffer(sums.solutions).reshape(shape).copy()
        self._note_fades()

    def _note_fades(self) -> None:
        fades = [self.clock // every * every for every in self._every if every]
        self._faded_at = max(fades, default=0)
        self._until_fade = min((self.clock // every + 1) * every for every in self._every if every) if fades else math.inf

    def _kept(self, clock: int) -> Vector:
        """Return what each model has left of an observation of the decision counted `clock`."""
        kept = [FADE ** (self.clock // every - clock // every) if every else 1.0 for every in self._every]
        return np.array([one if one > _LEAST else 0.0 for one in kept])


def _block(rate: float) -> int:
    """Return the decisions of a block in which a rate comes to what a block keeps; 0 if nothing ever fades."""
    return 0 if rate >= 1.0 else max(1, round(math.log(FADE) / math.log(rate)))


@compiled("void(f8[:,::1], f8[::1], f8[::1])")
def _multiply(covariance: Vector, row: Vector, asked: Vector) -> None:
    """Write the product of a symmetric matrix and a row; four steps at once spare memory most of the way."""
    width = len(row)
    asked[:] = 0.0
    together = width - width % 4
    for at in range(0, together, 4):
        one, two, three, four = row[at], row[at + 1], row[at + 2], row[at + 3]
        for n in range(width):
            asked[n] = (
                ((asked[n] + covariance[at, n] * one) + covariance[at + 1, n] * two) + covariance[at + 2, n] * three
            ) + covariance[at + 3, n] * four
    for at in range(together, width):
        for n in range(width):
            asked[n] += covariance[at, n] * row[at]


@compiled("void(f8[:,:,:,::1], f8[::1], f8[::1], f8[:,::1], f8[:,::1], f8[:,::1])")
def _outlook(
    solutions: Vector, penalties: Vector, row: Vector, said: Vector, noisy: Vector, unknown: Vector
) -> None:
    """Write what `RidgeBank.outlook` returns."""
    actions, models, _, width = solutions.shape
    if len(row) != width:
        raise ValueError("expected a row of the bank's width")
    asked, length = np.empty(width), 0.0
    for n in range(width):
        length += row[n] * row[n]
    for action in range(actions):
        for model in range(models):
            solution = solutions[action, model]
            _multiply(solution, row, asked)
            mean, variance, doubt = 0.0, 0.0, 0.0
            for n in range(width):
                mean += solution[width, n] * row[n]
                variance += asked[n] * row[n]
                doubt += asked[n] * asked[n]
            doubt *= penalties[model]
            said[action, model] = mean
            noisy[action, model] = variance - doubt
            unknown[action, model] = doubt * min(penalties[model] / length, 1.0)


@compiled("void(f8[:,:,:,::1], f8[:,::1], i8, f8[::1], f8, f8[::1])")
def _learn(solutions: Vector, counts: Vector, action: int, row: Vector, reward: float, kept: Vector) -> None:
    """Fold in an observation that weighs so much in each model; covariances stay symmetric to the last bit."""
    _, models, _, width = solutions.shape
    if len(row) != width:
        raise ValueError("expected a row of the bank's width")
    asked = np.empty(width)
    for model in range(models):
        solution = solutions[action, model]
        _multiply(solution, row, asked)
        spread, missed = 0.0, -reward
        for n in range(width):
            spread += asked[n] * row[n]
            missed += solution[width, n] * row[n]
        gain = kept[model] / (1.0 + kept[model] * spread)
        for at in range(width):
            for n in range(width):
                solution[at, n] -= (asked[at] * asked[n]) * gain
        for n in range(width):
            solution[width, n] -= (missed * asked[n]) * gain
        counts[action, model] += kept[model]


@compiled("void(f8[:,:,:,::1], i8, f8)")
def _fade(solutions: Vector, model: int, penalty: float) -> None:
    """Let what one model observed weigh less. With covariance P, penalty c and what is kept q, the inverse of
    q (1/P - c) + c is the solution X of (q + (1 - q) c P) X = P: always well conditioned, so that it is solved without
    pivots (Golub and Van Loan, "Matrix Computations", chapter 4). X is symmetric: one half is worked out.
    """
    actions, _, _, width = solutions.shape
    end, toward = 2 * width + 1, (1.0 - FADE) * penalty
    # the upper triangle, what it is to be solved for, and the weights
    upper, inverse = np.empty((width, end)), np.empty(width)
    for action in range(actions):
        covariance = solutions[action, model]
        weights = covariance[width]
        for at in range(width):
            line = upper[at]
            for n in range(at, width):
                line[n] = toward * covariance[at, n]
            line[at] += FADE
            for n in range(width):
                line[width + n] = covariance[at, n]
            line[end - 1] = FADE * weights[at]
            together = at - at % 4
            for j in range(0, together, 4):
                one, two = upper[j, at] * inverse[j], upper[j + 1, at] * inverse[j + 1]
                three, four = upper[j + 2, at] * inverse[j + 2], upper[j + 3, at] * inverse[j + 3]
                for n in range(at, end):
                    line[n] = (
                        ((line[n] - one * upper[j, n]) - two * upper[j + 1, n]) - three * upper[j + 2, n]
                    ) - four * upper[j + 3, n]
            for j in range(together, at):
                factor = upper[j, at] * inverse[j]
                for n in range(at, end):
                    line[n] -= factor * upper[j, n]
            inverse[at] = 1.0 / line[at]
        for at in range(width - 1, -1, -1):
            line, solved, weight = upper[at], covariance[at], upper[at, end - 1]
            for n in range(at + 1):
                solved[n] = line[width + n]
            for j in range(at + 1, width):
                weight -= line[j] * weights[j]
                for n in range(at + 1):
                    solved[n] -= line[j] * covariance[j, n]
            for n in range(at + 1):
                solved[n] *= inverse[at]
            weights[at] = weight * inverse[at]
        for at in range(width):
            for n in range(at):
                covariance[n, at] = covariance[at, n]
