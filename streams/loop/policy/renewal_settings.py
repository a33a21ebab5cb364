"""Where the best time to act is later: what ends a life in advance, and what that and an end by itself cost."""

from typing import Annotated

import msgspec

Cost = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]


class RenewalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`action` renews an entity: it is then as good as new. Raises `ValueError` where waiting can never be wrong.

    Its arms are that action and waiting (`none`), at every window of every entity; in the choice at an episode's onset
    it is no arm any more.
    """

    action: str
    failed: str
    """The metric that tells that an entity failed, by a value above 0; the next window without that begins a life. An
    entity is followed from when it first sends it, 0 in good health."""
    cost: Cost = 1.0
    """What the action costs, ..."""
    failure_cost: Cost = 5.0
    """... and a failure, the repair included, in the same unit: only their ratio counts."""
    baseline_age_us: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The age at which the hold-out's baseline acts, frozen before the run; 0: never, as with `none`."""
    entity_limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 500
    """Entities whose lives are followed, of those that have sent `failed`; more are turned away, and told of."""
    silence_us: Annotated[int, msgspec.Meta(ge=1)] = 604_800_000_000
    """What an entity does that was silent for longer, nobody knows: its life is not learned from, and its place is free
    for another."""

    def __post_init__(self) -> None:
        if self.failure_cost <= self.cost:
            raise ValueError(f"failure_cost must be above {self.cost:g} (cost), got {self.failure_cost:g}")
