"""What the operator declares about the gate: its limits, its breakers, and how far each action may go by itself."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

Level = Literal["observe", "suggest", "approve", "act"]
LEVELS: tuple[Level, ...] = ("observe", "suggest", "approve", "act")
"""From the least to the most freedom."""
ANY_PATTERN = "*"

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Time = Annotated[int, msgspec.Meta(ge=0)]
Interval = Annotated[int, msgspec.Meta(ge=1)]


class GuardExample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of what a guard may be given (the rest is as in `streams.loop.gate.guards.SAMPLE`), and its answer."""

    given: dict[str, Any]
    allowed: bool


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition that every action has to meet, in the Common Expression Language, with examples beside it."""

    allow: str
    examples: tuple[GuardExample, ...] = ()


class GateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits in the spelling `3/hour and 7/day`, times in us, shares in [0, 1]. Limits of one action stand with it."""

    loop_limit: str = "120/hour"
    """Of all actions of the loop together."""
    pattern_limit: str = "60/hour"
    """Of the actions that answer one pattern."""
    entity_attempts: str = "3/day"
    """Of the actions on one entity, across its episodes: what they do not mend is left to people, who are told."""
    explore_limit: str = "200/day"
    """Of the actions that are tried although another looks better; of high risk none is ever tried like that."""
    escalation_limit: str = "60/hour"
    """Of the questions to people; beyond it a proposal is denied, with the time of the next one."""
    cost_a_day: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 1_000.0
    """What the actions of any 24 hours may cost together, in units of reward."""
    concurrency: Count = 4
    """Actions of the loop that may be under way at the same time."""
    ramp_us: Time = 0
    """So long after the loop was resumed fewer may be: one at first, all of them at the end."""
    blast_count: Count = 1_000
    """Different entities that may be acted on within `blast_window_us`, ..."""
    blast_share: Share = 1.0
    """... and the share of all that live; one may always be."""
    blast_window_us: Interval = 600_000_000
    healthy_least: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Entities of a group that must be left, healthy and not acted on, ..."""
    healthy_share: Share = 0.0
    """... and the share of its live ones. Where either is stated, a group without a fresh census is left alone."""
    control_timeout_us: Interval = 10_000_000
    """Not having heard `control` for longer than this counts as a stop."""
    evidence_age_us: Interval = 30_000_000
    """A proposal older than this rests on evidence that is no longer true."""
    clock_skew_us: Interval = 5_000_000
    """A proposal further ahead of the gate's clock was made by a clock that is wrong."""
    approval_window_us: Interval = 600_000_000
    """How long an escalation waits for a person; what nobody answered is denied, never approved."""
    own_approval: bool = False
    """Whether who activated these settings, or proposed the action, may be the only one who approves it."""
    outcome_timeout_us: Interval = 60_000_000
    """How long after an action's expiry its outcome may take; then its end counts as unknown."""
    abnormal_share: Share = 0.5
    """Above this share of abnormal entities one cause is behind all of them: acting on each is wrong, and the loop's
    breaker opens."""
    abnormal_least: Count = 5
    """Abnormal entities below which the share means nothing."""
    census_age_us: Interval = 30_000_000
    """A census older than this no longer counts."""
    failed_share: Share = 0.5
    """Above this share of failed or unknown ends the breaker of an action opens, and its limit is halved until it is
    re-armed."""
    failed_least: Count = 8
    """Ends within `failed_window_us` below which the share means nothing."""
    failed_window_us: Interval = 600_000_000
    rearm: Literal["signed", "auto"] = "signed"
    """Who closes a breaker that opened: a person's signed order, or the gate itself once the share is low enough again,
    for worlds without people. What a person re-armed opens again by new evidence only: by ends that come later, by a
    census that is still young enough."""
    protected: tuple[str, ...] = ()
    """Entities that the loop must never touch."""
    maintenance: tuple[str, ...] = ()
    """Times at which people work on the fleet, and nothing is allowed: `Sat 22:00 - Sun 06:00 Europe/Berlin`."""
    guards: dict[str, GuardSettings] = {}
    """Conditions by name; one that is not met, or cannot be worked out, denies."""
    remembered: Count = 1_000
    """Proposals whose verdict is kept for duplicates, approvals and outcomes of what was done."""
    tracked: Count = 20_000
    """Entities and patterns followed at once: beyond that new ones are denied, never old ones forgotten. And episodes:
    those that are over are forgotten first, then the one open for longest, on which nothing is allowed any more. And
    proposals: those known to have been decided, of which a later one than all that are forgotten is no duplicate, and
    those to do nothing whose outcome is awaited: of more than that it is told that nothing is learned of the oldest."""


GATE_LIMITS = ("loop_limit", "pattern_limit", "entity_attempts", "explore_limit", "escalation_limit")
"""The fields that spell limits."""


class LevelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far proposals may go by themselves at first, and what makes that more. `exact` maps `PATTERN/ACTION` (`*` for
    any pattern) to a level.

    Irreversible actions stay at most at `irreversible`, unless `exact` names them. What matches no recurring pattern is
    never raised: it is many things.
    """

    default: Level = "observe"
    novel: Level = "observe"
    irreversible: Level = "approve"
    exact: dict[str, Level] = {}
    raising: Literal["never", "signed", "auto"] = msgspec.field(default="signed", name="raise")
    """Who raises to `act` what has earned it: a person's order, or the gate by itself. `never`: no level is raised."""
    episodes: Count = 10
    """Episodes in which an action was only proposed, before it is raised by one level; doubled by each lowering."""
    outcomes: Count = 10
    """Runs of an action with a known end before it can have earned `act`."""
    effect: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.0
    """How much more reward than doing nothing, and than the baseline, it must be sure to earn for that."""
    wrong: Annotated[float, msgspec.Meta(gt=0.0, le=0.5)] = 0.01
    """The probability that one which does not ever counts as having earned it."""
    alarm_every: Interval = 500
    """What acts by itself is lowered by mere chance, as one that got worse or as one of which too little is told, once
    in so many outcomes at most for each of the two, on average."""
    missing: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.1
    """Above this share of runs whose end or effect nobody told, what acts by itself is lowered."""
    earn_within_us: Interval = 30 * 86_400_000_000
    """Where outcomes are too few, too slow or too noisy to earn `act` within this time, nothing is raised above
    `suggest`; and what the gate raised is lowered again where it would take twice as long. What was so long ago counts
    1 / e of what is so now; an outage, in which nothing comes, counts like any other time."""
    unobservable: Share = 0.5
    """Above this share of decisions of which nothing could be measured, neither."""
    probation_us: Time = 3_600_000_000
    """So long after the models behind proposals were replaced nothing acts by itself."""
    pairs: Count = 2_000
    """Pairs of pattern and action that are followed. The one not heard of for longest makes room for another; where the
    levels of all of them were changed, any more go no further than `approve`."""

    def of(self, pattern: str, action: str) -> Level | None:
        """Return what `exact` says of this pair."""
        return level_for(self.exact, pattern, action)


def level_for(levels: Mapping[str, Level], pattern: str, action: str) -> Level | None:
    """Return what levels by `PATTERN/ACTION` say of a pair, its own entry before the one for any pattern."""
    if not levels:
        return None
    return levels.get(f"{pattern}/{action}") or levels.get(f"{ANY_PATTERN}/{action}")
