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
    """What the loop's arm earns more per episode than the arm `over`. `low` to `high` hold at every look;
    `proven_after` is after how many episodes `low` was first above 0, and `proven_us` when it was known what those came
    to: whether it is now, `low` says.
    """

    over: str
    episodes: int
    lift: float
    low: float
    high: float
    proven_after: int | None
    proven_us: int | None


class Peek(msgspec.Struct, frozen=True, kw_only=True):
    """The lift as it was after so many episodes, at the time at which it was known what they came to."""

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
    and minutes of people paid in both. `people` is the price of the run's, `people_alone` what that of the baseline
    alone would have been, by the questions in its arm. It had paid for itself `after` so many episodes, what they came
    to being known at `time_us`: since then that sum is above 0. `sure_after`: the bound that holds at every look was
    first above 0; `sure_now`: it is.
    """

    value: float
    people: float
    people_alone: float
    after: int | None
    time_us: int | None
    sure_after: int | None
    sure_us: int | None
    sure_now: bool


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """How far arms may have met: `exposed` are the episodes within the horizon before which something was done to the
    entity or to another of its group, `crossed` those where another arm did it; of `grouped` the entities have a group.
    `apart` is the lift by the episodes that are not exposed.
    """

    grouped: int
    exposed: int
    crossed: int
    apart: Lift | None


class PatternBenefit(msgspec.Struct, frozen=True, kw_only=True):
    """The lift for one pattern, over the same arm as the proof's `course`, and over doing nothing (`none_low` is the
    bound); `after` how many decisions on it each bound was first above 0. The bounds of all patterns hold together.
    """

    pattern: str
    name: str
    episodes: int
    lift: float
    low: float
    high: float
    after: int | None
    none_low: float | None
    none_after: int | None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the hold-out of one run says, by episodes in order. Left out: `open` ones, those `before` the baseline and
    the shares of the arms were these, `unseen` ones whose measurements are no longer kept, those `older` than what is
    kept, and decisions on `lives` as a whole. On `dear` ones more was spent than the dearest action costs, which is
    what counts.

    `hold_out_price` is what the episodes of the other two arms would have earned more in the loop's. `since_us` is when
    the first of the episodes was decided. `course` is the lift as it went, over the arm `over`: the baseline, or, where
    that has no share, doing nothing. So are `beside` and `patterns`.
    """

    baseline: str
    over: str
    episodes: int
    since_us: int
    open: int
    before: int
    unseen: int
    older: int
    lives: int
    dear: int
    arms: tuple[Arm, ...]
    lifts: tuple[Lift, ...]
    course: tuple[Peek, ...]
    exploring: Exploring | None
    hold_out_price: float | None
    paid: Paid | None
    beside: Beside
    patterns: tuple[PatternBenefit, ...]
