"""Settings of storms: who calls whom, and what is abnormal together."""

import msgspec

CALLS_LIMIT = 100_000


class GraphSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several entities that become abnormal within `window_us` are one storm (time in us, event time).

    Raises `ValueError` with all its errors at once.
    """

    calls: dict[str, tuple[str, ...]] = {}
    """Caller to those it calls: trouble spreads from callee to caller. Where nothing is said, calls are learned from
    whose trouble comes first, and entities are one storm when more of them than by chance become abnormal within a
    short time, by the rate that is usual, or when one was learned to follow the other."""
    actionable: tuple[str, ...] = ()
    """Entities that can be an origin: what can be acted on. Empty: all."""
    window_us: int = 30_000_000
    least: int = 2
    """So many linked entities are a storm; where no order was learned, at least 3 and more than chance brings."""
    member_limit: int = 32
    """Members that a storm names and ranks, the first ones; the others are counted."""
    storm_limit: int = 64
    open_limit: int = 20_000
    order_limit: int = 4_096
    """Entities whose order of onsets is remembered."""

    def __post_init__(self) -> None:
        names = ("window_us", "storm_limit", "open_limit", "order_limit")
        errors = [
            f"{name} must be positive, got {getattr(self, name)}" for name in names if not getattr(self, name) > 0
        ]
        if not 2 <= self.least <= self.member_limit <= 256:
            errors.append(f"least must be from 2 to member_limit ({self.member_limit}, at most 256), got {self.least}")
        known = set(self.calls).union(*self.calls.values())
        if self.calls and (unknown := sorted(set(self.actionable) - known)):
            errors.append(f"actionable must be entities of calls, got {', '.join(unknown)}")
        edges = sum(map(len, self.calls.values()))
        if edges > CALLS_LIMIT:
            errors.append(f"calls must be at most {CALLS_LIMIT} pairs, got {edges}")
        if errors:
            raise ValueError("; ".join(errors))
