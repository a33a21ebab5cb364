"""Groups of executors: each of several may do an action, and the worst of its ends counts."""

GROUPS_MAX = 64
"""Groups of executors that are told apart."""
_WORST_FIRST = ("unknown", "failed", "succeeded", "refused")


def end_rank(state: str) -> int:
    """Return the place of an end among all, the worst first."""
    return _WORST_FIRST.index(state)
