"""What `RidgeBank` works out."""

import numpy as np
import numpy.typing as npt

from streams.learners.kernels.compiled import compiled

Vector = npt.NDArray[np.float64]
FADE = 0.5
"""What observations keep at the end of a block."""


@compiled("void(f8[:,::1], f8[::1], f8[::1])")
def _multiply(covariance: Vector, row: Vector, asked: Vector) -> None:
    """Write the product of a symmetric matrix and a row; eight steps at once spare memory most of the way."""
    width = len(row)
    asked[:] = 0.0
    together = width - width % 8
    for at in range(0, together, 8):
        a, b, c, d = row[at], row[at + 1], row[at + 2], row[at + 3]
        e, f, g, h = row[at + 4], row[at + 5], row[at + 6], row[at + 7]
        for n in range(width):
            so_far = (asked[n] + covariance[at, n] * a) + covariance[at + 1, n] * b
            so_far = (so_far + covariance[at + 2, n] * c) + covariance[at + 3, n] * d
            so_far = (so_far + covariance[at + 4, n] * e) + covariance[at + 5, n] * f
            asked[n] = (so_far + covariance[at + 6, n] * g) + covariance[at + 7, n] * h
    for at in range(together, width):
        for n in range(width):
            asked[n] += covariance[at, n] * row[at]


@compiled("void(f8[:,:,:,::1], f8[::1], f8[::1], f8[:,::1], f8[:,::1], f8[:,::1])")
def outlook(solutions: Vector, penalties: Vector, row: Vector, said: Vector, noisy: Vector, unknown: Vector) -> None:
    """Write what `RidgeBank.outlook` returns."""
    actions, models, height, width = solutions.shape
    if len(row) != width or height != width + 1 or len(penalties) != models:
        raise ValueError("expected a row of the bank's width and its models' penalties")
    if not said.shape == noisy.shape == unknown.shape == (actions, models):
        raise ValueError("expected room for what each model says of each action")
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
def learn(solutions: Vector, counts: Vector, action: int, row: Vector, reward: float, kept: Vector) -> None:
    """Fold in an observation that weighs so much in each model; covariances stay symmetric to the last bit."""
    actions, models, height, width = solutions.shape
    if len(row) != width or height != width + 1 or len(kept) != models:
        raise ValueError("expected a row of the bank's width and a weight for each model")
    if not 0 <= action < actions or counts.shape != (actions, models):
        raise ValueError("expected one of the bank's actions")
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


@compiled("void(f8[:,::1], f8, f8[:,::1], f8[::1])")
def _eliminate(covariance: Vector, penalty: float, upper: Vector, inverse: Vector) -> None:
    """Write, for every row of `fade`'s equation, the upper triangle of what is to be divided by, the right-hand side,
    and the weights; and the inverse of each pivot.
    """
    width, end = upper.shape
    for at in range(width):
        line = upper[at]
        for n in range(at, width):
            line[n] = (1.0 - FADE) * penalty * covariance[at, n]
        line[at] += FADE
        for n in range(width):
            line[width + n] = covariance[at, n]
        line[end - 1] = FADE * covariance[width, at]
        together = at - at % 4
        for j in range(0, together, 4):
            a, b = upper[j, at] * inverse[j], upper[j + 1, at] * inverse[j + 1]
            c, d = upper[j + 2, at] * inverse[j + 2], upper[j + 3, at] * inverse[j + 3]
            for n in range(at, end):
                left = (line[n] - a * upper[j, n]) - b * upper[j + 1, n]
                line[n] = (left - c * upper[j + 2, n]) - d * upper[j + 3, n]
        for j in range(together, at):
            factor = upper[j, at] * inverse[j]
            for n in range(at, end):
                line[n] -= factor * upper[j, n]
        inverse[at] = 1.0 / line[at]


@compiled("void(f8[:,::1], f8[::1], f8[:,::1])")
def _substitute(upper: Vector, inverse: Vector, solution: Vector) -> None:
    """Write the solution: the lower triangle of a symmetric matrix, mirrored, and the weights."""
    width, end = upper.shape
    for at in range(width - 1, -1, -1):
        line, solved, weight = upper[at], solution[at], upper[at, end - 1]
        for n in range(at + 1):
            solved[n] = line[width + n]
        for j in range(at + 1, width):
            weight -= line[j] * solution[width, j]
            for n in range(at + 1):
                solved[n] -= line[j] * solution[j, n]
        for n in range(at + 1):
            solved[n] *= inverse[at]
        solution[width, at] = weight * inverse[at]
    for at in range(width):
        for n in range(at):
            solution[n, at] = solution[at, n]


@compiled("void(f8[:,:,:,::1], i8, f8)")
def fade(solutions: Vector, model: int, penalty: float) -> None:
    """Let what one model observed weigh less. With covariance P, penalty c and what is kept q, the inverse of
    q (1/P - c) + c is the solution X of (q + (1 - q) c P) X = P: always well conditioned, so that it is solved without
    pivots (Golub and Van Loan, "Matrix Computations", chapter 4). X is symmetric: one half is worked out.
    """
    actions, models, height, width = solutions.shape
    if not 0 <= model < models or height != width + 1:
        raise ValueError("expected one of the bank's models")
    upper, inverse = np.empty((width, 2 * width + 1)), np.empty(width)
    for action in range(actions):
        _eliminate(solutions[action, model], penalty, upper, inverse)
        _substitute(upper, inverse, solutions[action, model])
