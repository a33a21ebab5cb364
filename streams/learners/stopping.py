"""When to act in advance: below which foretold remaining life going on costs more than the best that can be had.

By the renewal-reward theorem (Ross, "Stochastic Processes", chapter 3) the cost per time in the long run is the mean
cost of a life by its mean length, so the best rule makes that ratio smallest (Barlow and Hunter, "Optimum preventive
maintenance policies", Operations Research 1960). Rules are "act at the first row of which at most so much is foretold",
and are tried on past lives, of which each was foretold by the others alone. Of a life that was ended in advance nobody
knows how it would have gone on: it speaks of the rules that would have ended it earlier, as in the product-limit
estimate (Kaplan and Meier, JASA 1958), with what is foretold in place of the time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
LEVELS = 300
BLUR = 0.015
"""How far from a level others are taken for it, as a share of the root of a life's length: what was best by chance will
not be."""
DOUBT = 1.0
"""Lives without an end that are added at every level: the benefit of the doubt of a level that few have reached."""


class Course(NamedTuple):
    """A past life: at which `ages` it could have been ended, what was `foretold` then of its remaining life, shape (n,)
    each, and the age at which it ended by itself, None where it was ended at the last of `ages`.
    """

    ages: Vector
    foretold: Vector
    end: float | None


class Rule(NamedTuple):
    """Act where at most `level` is foretold: that is expected to cost `rate` per unit of time."""

    level: float
    rate: float


def best_rule(courses: Sequence[Course], *, cost: float, failure_cost: float) -> Rule | None:
    """Return the rule by which lives cost least per time, where one in advance costs `cost` and an end by itself
    `failure_cost`; None where going on until the end is no worse, or no life ended by itself.
    """
    ends = [course.end for course in courses if course.end is not None]
    if not ends:
        return None
    top = max(float(course.foretold.max()) for course in courses)
    roots = np.linspace(np.sqrt(max(top, 0.0)), 0.0, LEVELS)
    lasting, lengths = _lasting(courses, roots * roots)
    blurred = _blur(roots, BLUR * float(np.sqrt(np.mean(ends))))
    rates = (blurred @ (failure_cost - (failure_cost - cost) * lasting)) / (blurred @ lengths)
    best = int(rates.argmin())
    to_the_end = failure_cost / float(np.mean(ends))
    return Rule(float(roots[best] ** 2), float(rates[best])) if rates[best] < to_the_end else None


def _lasting(courses: Sequence[Course], levels: Vector) -> tuple[Vector, Vector]:
    """Return for each level, the highest first, which share of lives reaches it before their end, and how long lives
    are that are ended there: shape (levels,) each. What no life speaks of any more ends by itself.
    """
    reached, lengths = (np.array(parts) for parts in zip(*(_stops(one, levels) for one in courses), strict=True))
    failed = ~reached & np.array([[course.end is not None] for course in courses])
    known = reached | failed
    before = np.ones(len(courses), np.bool_)
    at, share, length = np.zeros(len(courses)), 1.0, 0.0
    shares, means = np.zeros(len(levels)), np.zeros(len(levels))
    for number in range(len(levels)):
        told = before & known[:, number]
        count = int(np.count_nonzero(told))
        if count:
            length += share * float((lengths[told, number] - at[told]).mean())
            share *= 1.0 - float(np.count_nonzero(before & failed[:, number])) / (count + DOUBT)
        shares[number], means[number] = (share if count else 0.0), length
        before, at = before & reached[:, number], lengths[:, number]
    return shares, means


def _stops(course: Course, levels: Vector) -> tuple[npt.NDArray[np.bool_], Vector]:
    """Return at which levels a life is ended before it ends by itself, and its length then; shape (levels,) each."""
    lowest = np.minimum.accumulate(course.foretold)
    places = np.searchsorted(-lowest, -levels)
    reached = places < len(lowest)
    last = float(course.ages[-1]) if course.end is None else course.end
    return reached, np.where(reached, course.ages[np.minimum(places, len(lowest) - 1)], last)


def _blur(roots: Vector, width: float) -> Vector:
    """Return the weights by which each level stands for those around it, shape (levels, levels)."""
    apart = (roots[:, None] - roots) / max(width, 1e-12 * (1.0 + float(roots[0])))
    weights = np.exp(-0.5 * apart * apart)
    shares: Vector = weights / weights.sum(axis=1, keepdims=True)
    return shares
