"""The one chaos plan: which instance is struck when, where and how."""

from collections.abc import Sequence

from streams.replay import FaultPlan, seeded_plan

KILLS = 10


def cells_of(roles: Sequence[str], *, partitions: int) -> list[tuple[str, int]]:
    """Return the role and partition of every instance of a loop."""
    return [(role, number) for role in roles for number in range(partitions if role in ("ingest", "detect") else 1)]


def chaos_plan(seed: int, *, roles: Sequence[str], partitions: int, duration_us: int, kills: int = KILLS) -> FaultPlan:
    """Return the faults of one seed over all instances of a loop.

    Simulation strikes at the exact points; with real processes `after_us`, `role`, `partition` and `signal` count.
    """
    return seeded_plan(seed, cells=cells_of(roles, partitions=partitions), duration_us=duration_us, kills=kills)
