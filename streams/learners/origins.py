"""Whom to blame when several entities are abnormal together: a walk along calls that ends where trouble began."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def blame_of(
    strengths: Sequence[float],
    opened_us: Sequence[int],
    worse_us: Sequence[int],
    calls: Mapping[tuple[int, int], float],
    *,
    lag_us: int,
) -> Floats:
    """Return how likely the trouble of each entity (row) began at each (column), shape (n, n); rows add up to 1.

    Trouble comes to a caller from what it calls. A walk begins at each entity; at a caller it goes on to an abnormal
    callee, or ends there, in proportion to how strongly each is abnormal (`strengths`, above 0), so it ends where
    nothing that is called is as abnormal. `calls` maps (caller, callee) to a trust from 0 to 1. A callee that became
    abnormal later than its caller last got much worse (`worse_us`, else when that opened) is the less likely its cause:
    by 1/e per `lag_us`. The walk is that of random-walk root-cause ranking (Kim, Sumbaly, Shah, "Root cause detection
    in a service-oriented architecture", SIGMETRICS 2013), with its absorption solved for instead of sampled. Names play
    no part, so renaming changes nothing.
    """
    size = len(strengths)
    own = np.array(strengths, np.float64)
    pull = np.zeros((size, size))
    for (caller, callee), trust in calls.items():
        if caller != callee:
            later = max(opened_us[callee] - worse_us[caller], 0) / lag_us
            pull[caller, callee] = trust * own[callee] * np.exp(-later)
    total = own + pull.sum(axis=1)
    ends = own / total
    absorbed: Floats = np.linalg.solve(np.eye(size) - pull / total[:, None], np.diag(ends))
    return absorbed


def shares_of(blame: Floats, strengths: Sequence[float], candidates: Flags) -> Floats:
    """Return the share of all trouble that began at each candidate, shape (n,): they add up to 1, others get 0.

    Where there is no candidate, every entity counts as one.
    """
    allowed = candidates if candidates.any() else np.ones(len(candidates), bool)
    found = np.where(allowed, np.array(strengths, np.float64) @ blame, 0.0)
    shares: Floats = found / found.sum()
    return shares
