"""What of a table of templates something is like, and how far along."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.learners.onset_model import OnsetModel
from streams.learners.template_table import TemplateTable

Floats = npt.NDArray[np.float64]

CANDIDATES = 32
"""Templates that a series is held against in full: those whose metrics moved in the nearest direction."""


def scores_of(table: TemplateTable, model: OnsetModel, series: Floats) -> Floats:
    """Return the score of a series under each template at each shift, shape (templates, 2 reach + 1); -inf for those
    that are no candidates.
    """
    if len(table) <= CANDIDATES:
        return model.scores(series, table.sums, table.counts)
    rows = table.nearest(series, CANDIDATES)
    scores = np.full((len(table), 2 * model.reach + 1), -np.inf)
    scores[rows] = model.scores(series, table.sums[rows], table.counts[rows])
    return scores


def position_on(table: TemplateTable, model: OnsetModel, row: int, series: Floats) -> int:
    """Return where on a template a series is likeliest; where it is on none of it, where a first one would be."""
    scores = model.scores(series, table.sums[[row]], table.counts[[row]])[0]
    return int(scores.argmax()) if np.isfinite(scores).any() else model.reach


def shift_between(table: TemplateTable, model: OnsetModel, row: int, other: int, windows: int) -> int:
    """Return how much further on another template is what is on one."""
    start, mean = table.core(row, windows)
    return position_on(table, model, other, mean) - start


def alike(
    table: TemplateTable, model: OnsetModel, row: int, others: Sequence[int], *, windows: int, evidence: float
) -> tuple[int, int] | None:
    """Return the one of other templates under which the mean series of one is likeliest, and how much further it is
    there; None where that is not at least `evidence` per window.
    """
    if not others:
        return None
    start, mean = table.core(row, windows)
    scores = model.scores(mean, table.sums[others], table.counts[others])
    met, position = divmod(int(scores.argmax()), scores.shape[1])
    return (others[met], position - start) if scores[met, position] >= evidence * windows else None
