"""How actions are chosen: the frozen baseline, the hold-out, and how much is explored."""

import math
from typing import Annotated

import msgspec

from schemas.events import ARMS
from streams.loop.policy.renewal_settings import RenewalSettings

Interval = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
SHARES = {"loop": 0.6, "baseline": 0.2, "none": 0.2}


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in us. `hold_out` are the shares of episodes of the arms `loop`, `baseline` and `none`; they add up to 1.

    Raises `ValueError` where shares do not.
    """

    baseline: str = "restart"
    """The action that the loop is measured against; frozen before the run."""
    hold_out: dict[str, float] = msgspec.field(default_factory=lambda: dict(SHARES))
    floor: Share = 0.05
    """The share of the loop arm's decisions that is spread evenly over the eligible actions."""
    gamma: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)] = 64.0
    """How strongly a gap in expected reward counts, times the observations that the expectation rests on."""
    optimism: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 0.7
    """How many standard deviations of its expected reward an action gets for the benefit of the doubt."""
    reward_prior: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)] = 0.7
    """The reward expected of an action of which nothing is known, before its cost. What is learned is how far rewards
    lie from that: to change it, or a cost, moves what is expected of every action by as much, those well known too,
    until some dozen decisions have taught the difference. Outcomes already learned can be corrected all the same."""
    expires_us: Interval = 20_000_000
    """How long a proposal is valid, and how long its verdict is waited for."""
    outcome_wait_us: Interval = 900_000_000
    """The longest that an entity is kept for a proposal whose experience does not come."""
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    """Proposals per episode: another one only after one that was denied for a time, or for what rests on its action
    alone, while the episode is open. Those that nobody answered do not count."""
    ask_cost: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None
    """What a person's look costs, in units of reward: to ask one about the likeliest action is then one more choice at
    each decision. None: people are asked where a level says so, and never by choice."""
    hold_us: Annotated[int, msgspec.Meta(ge=0)] = 30_000_000
    """How long an episode waits whose trouble likely began at another entity, by declared calls: that one is acted on
    first, and most others are over by then."""
    open_limit: Count = 5_000
    """Entities with an open proposal or an episode that waits for one."""
    remembered: Count = 5_000
    """Episodes kept, so that each is decided once, and decisions kept for their outcomes: one that comes when so many
    were decided after it is not learned from. At least `open_limit`."""
    values: tuple[str, ...] = ("*",)
    """The metrics whose latest values count in a decision besides how far they left their normal: at most eight, in
    this order; `*` stands for any others, by name, which count for less until outcomes say more. Empty: none."""
    renewal: RenewalSettings | None = None
    """Lives in which an action is taken when the time has come; None: every action at an episode's onset, or never."""

    def __post_init__(self) -> None:
        if set(self.hold_out) != set(ARMS):
            raise ValueError(f"hold_out must name loop, baseline and none, got {', '.join(sorted(self.hold_out))}")
        shares = self.hold_out.values()
        if min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise ValueError(f"hold_out shares must be at least 0 and add up to 1, got {sum(shares)}")
        if self.remembered < self.open_limit:
            raise ValueError(f"remembered must be at least open_limit, {self.open_limit}, got {self.remembered}")
