"""How long an outcome is looked for, what counts as recovery, and what may be believed before it is known."""

from typing import Annotated

import msgspec

from streams.loop.durations import format_duration

Interval = Annotated[int, msgspec.Meta(ge=1)]
Delay = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class EarlySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The early signal of an outcome: how far the recovery is after a part of the horizon, by the same formula."""

    after_us: Interval
    """How long after a decision it is read; measurements have `grace_us` more to arrive."""
    validity: Share = 0.5
    """The share of the outcomes' squared deviations that it must have explained of late: below that nothing is learned
    from it."""
    pairs: Count = 20
    """So many outcomes it must have foretold, before they were known, for that share to count."""
    remembered: Annotated[int, msgspec.Meta(ge=20, le=100_000)] = 1_000
    """The latest signals and outcomes that it is learned from."""


class AttributeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in us. The outcome window of a decision is `horizon_us` long and begins with the gate's verdict.

    Raises `ValueError` where an early signal would be none.
    """

    horizon_us: Interval = 15_000_000
    grace_us: Delay = 3_000_000
    """How long after the horizon its last measurements may still arrive."""
    late_us: Delay = 604_800_000_000
    """How long after a default a late end still corrects it, in the model only as long as `policy.remembered` decisions
    reach back, ..."""
    late_limit: Count = 2_000
    """... of so many defaults at most; the oldest stands beyond that, and is told of as an overflow."""
    escalation_us: Interval = 660_000_000
    """How long an escalated proposal waits for its final verdict; longer than the gate's approval window."""
    availability: str = "availability"
    """The metric whose mean over the horizon is the availability."""
    normal_windows: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    """So many normal windows in a row are a recovery."""
    coverage: Share = 0.5
    """Below this share of the horizon measured, an entity that did not recover counts as vanished; so does a window
    that is normal, but holds less than this share of what made the episode."""
    open_limit: Count = 2_000
    """Proposals followed at once; the oldest is given up beyond that."""
    remembered: Count = 5_000
    """Decided proposals and closed episodes kept, so that duplicates stay harmless."""
    windows_limit: Count = 512
    """Windows kept per horizon: that of a proposal, and where the loop chose to ask, that of the question, too. Those
    that follow one another without a gap and say the same need the room of one, except after the answer to a question.
    Where there are more even so, as there may be where every sample is a window, abnormal ones that follow one another
    are put together. If that is not enough, what did not recover before is unobservable, and told of as an overflow."""
    early: EarlySettings | None = None
    """What is learned before the outcome is known; None: nothing."""

    def __post_init__(self) -> None:
        if self.early is not None and self.early.after_us >= self.horizon_us:
            after, horizon = format_duration(self.early.after_us), format_duration(self.horizon_us)
            raise ValueError(f"early must be read before the horizon ends, {horizon}, got after = {after}")
