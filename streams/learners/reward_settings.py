"""Which regressions foretell rewards, how they are mixed, and the limits of what they keep."""

import msgspec

from streams.learners.ridge_bank import Ridge


class RewardModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`own_forgetting` is what a pattern's offset keeps after one more decision on it, for each of the `models`."""

    models: tuple[Ridge, ...] = (
        Ridge(penalty=0.25),
        Ridge(penalty=2.5),
        Ridge(penalty=25.0),
        Ridge(penalty=2.5, forgetting=0.99),
        Ridge(penalty=2.5, forgetting=0.96),
    )
    own_forgetting: tuple[float, ...] = (1.0, 0.97, 1.0, 0.95, 0.9)
    own_weight: float = 1.0
    """How many observations draw a pattern's offset to 0."""
    trust: float = 4.0
    """How strongly a squared error counts in the shares of the models."""
    fading: float = 0.98
    """What a squared error still counts after one more decision."""
    prior: float = 0.0
    """The reward expected of an action of which nothing is known."""
    features: int = 512
    first_features: tuple[str, ...] = ()
    """Those that have their place whatever comes before them."""
    declared_features: tuple[str, ...] = ()
    """Those that lie in [-1, 1] about 0 by what they are: their scale is not learned."""
    faint_features: str = ""
    """What the names of those begin with that are likely to mean nothing; none do where it is empty."""
    faint_weight: float = 1.0
    """How much these count of any other: what it takes to believe in them is that much more, squared."""
    actions: int = 64
    patterns: int = 500
    remembered: int = 5_000
