"""How a simulated fleet behaves."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Interval = Annotated[int, msgspec.Meta(ge=1)]
Delay = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in us, shares in [0, 1]; `..._every_us` are means of exponential intervals, 0 for never.

    Raises `ValueError` where the fleet could not be what it says.
    """

    entities: Count = 24
    kinds: Annotated[int, msgspec.Meta(ge=1, le=16)] = 6
    """Kinds of fault, each with a signature and a best remedy of its own."""
    actions: tuple[str, ...] = ("restart", "recycle", "throttle", "failover", "rollback")
    """The first is the baseline: it helps a little against everything. The last makes every fault worse."""
    period_us: Interval = 1_000_000
    """Between two samples of an entity."""

    calm_periods: Count = 20
    """How many periods a new entity stays healthy, so that whoever watches it sees its normal first."""
    fault_every_us: Interval = 30_000_000
    """Of one healthy entity."""
    fault_us: Interval = 45_000_000
    """After this time a fault ends by itself, ..."""
    by_chance: bool = False
    """... or at any time, as likely as at any other, after this time on average."""
    worse_us: Delay = 20_000_000
    """How much longer the harmful action makes a fault."""
    depth: float = 8.0
    """How far a fault moves its metrics, in standard deviations."""

    action_us: Interval = 2_000_000
    """How long an action takes."""
    best: Share = 0.9
    """With what probability the best remedy works."""
    baseline: tuple[float, ...] = (0.2, 0.5)
    """Range of the baseline's probability, per kind, where it is not the best."""
    other: tuple[float, ...] = (0.0, 0.25)
    """Range of any other action's probability, per kind."""
    drift_us: Delay = 0
    """When, after the start, every kind gets another best remedy; 0: never."""
    turn_us: Delay = 0
    """When, after the start, what was the best remedy of a kind makes it worse; 0: never."""

    delayed: Share = 0.05
    delay_us: Delay = 20_000_000
    """How much later a delayed outcome is reported, at most."""
    missing: Share = 0.02
    duplicate: Share = 0.05
    wrong: Share = 0.05
    """Share of outcomes that say the opposite of what happened."""

    life_every_us: Delay = 1_200_000_000
    """How long an entity lives before another one takes its place."""
    gap_us: Delay = 20_000_000
    """How long its place stays empty."""
    storm_every_us: Delay = 600_000_000
    storm: Share = 0.3
    """Share of the healthy entities that a storm strikes at once, with one kind of fault."""

    def __post_init__(self) -> None:
        if len(set(self.actions)) != len(self.actions) or len(self.actions) < 3:
            raise ValueError(f"actions must be at least three different ones, got {', '.join(self.actions)}")
        for name, ends in (("baseline", self.baseline), ("other", self.other)):
            if len(ends) != 2 or not 0.0 <= ends[0] <= ends[1] <= 1.0:
                raise ValueError(f"{name} must be a range in [0, 1], got {ends}")
