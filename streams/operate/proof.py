"""What a run's hold-out proves: the fields of the report's `proof`. Rewards are in [0, 1] less the cost of actions."""

import msgspec


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the episodes of one arm, whatever became of the proposals about them. Of `unmeasured` ones, which
    count as not recovered, nothing could be measured; in `left_alone` nothing was done. `reward` is the mean; `cost` of
    actions and `minutes` of people are sums.
    """

    arm: str
    episodes: int
    unmeasured: int
    left_alone: int
    reward: float | None
    cost: float
    answers: int
    minutes: float


class Lift(msgspec.Struct, frozen=True, kw_only=True):
    """What the loop's arm earns more per episode than the arm `over`, by `episodes` that could be in either. `low` to
    `high` hold at every look; `proven_after` is after how many episodes, and `proven_us` when, `low` was first above 0.
    """

    over: str
    episodes: int
    lift: float
    low: float
    high: float
    proven_after: int | None
    proven_us: int | None


class Peek(msgspec.Struct, frozen=True, kw_only=True):
    """The lift over the baseline as it was after so many episodes."""

    episodes: int
    time_us: int
    lift: float
    low: float
    high: float


class Exploring(msgspec.Struct, frozen=True, kw_only=True):
    """What the loop's arm would have earned more per decision, had it always taken the likeliest action of its own
    choice; `total` over its `decisions`. Below 0: trying others cost nothing.
    """

    decisions: int
    price: float
    low: float
    high: float
    total: float


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole run, hold-out and exploring included, earned above the baseline alone: `value` in total, actions
    paid, and `people` the price of their minutes in it. It had paid for itself `after` so many episodes, at `time_us`:
    since then that sum is above 0. `sure_after`: the bound that holds at every look was first above 0.
    """

    value: float
    people: float
    after: int | None
    time_us: int | None
    sure_after: int | None
    sure_us: int | None


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """How far arms may have met: of the episodes whose entities have a group, beside `exposed` something was done to
    another entity of the group within the horizon, beside `crossed` ones by another arm. `apart` is the lift over the
    baseline by the episodes that are not exposed.
    """

    grouped: int
    exposed: int
    crossed: int
    apart: Lift | None


class PatternBenefit(msgspec.Struct, frozen=True, kw_only=True):
    """The lift over the baseline for one pattern, and after how many decisions on it the bound was first above 0, over
    the baseline and over doing nothing. Each interval is 95 % by itself.
    """

    pattern: str
    name: str
    episodes: int
    lift: float
    low: float
    high: float
    over_baseline_after: int | None
    over_none_after: int | None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the hold-out of one run says, by episodes in order. Left out: `open` ones, those `before` the baseline was
    this one, and those `older` than what is kept.

    `hold_out_price` is what the episodes of the other two arms would have earned more in the loop's. `since_us` is when
    the first of the episodes was decided. `course` is the lift over the baseline as it went.
    """

    baseline: str
    episodes: int
    since_us: int
    open: int
    before: int
    older: int
    arms: tuple[Arm, ...]
    lifts: tuple[Lift, ...]
    course: tuple[Peek, ...]
    exploring: Exploring | None
    hold_out_price: float | None
    paid: Paid | None
    beside: Beside
    patterns: tuple[PatternBenefit, ...]
