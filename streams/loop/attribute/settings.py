"""How long an outcome is looked for, and what counts as recovery."""

from typing import Annotated

import msgspec

Interval = Annotated[int, msgspec.Meta(ge=1)]
Delay = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class AttributeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in us. The outcome window of a decision is `horizon_us` long and begins with the gate's verdict."""

    horizon_us: Interval = 15_000_000
    grace_us: Delay = 3_000_000
    """How long after the horizon its last measurements may still arrive."""
    late_us: Delay = 120_000_000
    """How long after a default a late end still corrects it."""
    escalation_us: Interval = 660_000_000
    """How long an escalated proposal waits for its final verdict; longer than the gate's approval window."""
    availability: str = "availability"
    """The metric whose mean over the horizon is the availability."""
    normal_windows: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    """So many normal windows in a row are a recovery."""
    coverage: Share = 0.5
    """Below this share of the horizon measured, an entity that did not recover counts as vanished."""
    open_limit: Count = 2_000
    """Proposals followed at once; the oldest is given up beyond that."""
    remembered: Count = 5_000
    """Decided proposals and closed episodes kept, so that duplicates stay harmless."""
    windows_limit: Count = 512
    """Windows kept per proposal."""
