"""What other policies would have earned, by a recorded run: estimates, or why the run cannot tell."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from schemas.events import NONE, Event, Experience, Verdict
from streams.learners.off_policy import difference, estimate, judge
from streams.operate.not_replayed import not_replayed
from streams.operate.refusals import refusal_of
from streams.operate.story import Reader
from streams.replay.ended_decisions import Record, read_decisions
from streams.replay.episodes import costs_of, wait_us
from streams.replay.logged_decisions import Table, baseline_of, tabulate
from streams.replay.policy_again import Chooser, choose_again
from streams.replay.recorded_values import are_recorded
from streams.settings import Settings

NAMED = ("running", "none", "baseline")
"""Policies that need no file."""
VALUES = "policy.values"
Chances = Mapping[str, float]
"""Probability of each action."""


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What one policy would have earned per decision, costs taken off as they were in the run: doubly robust, with an
    interval that holds at every look, and two plainer estimates. `better` is how much more that is than the loop's own
    choices earn, None where the run cannot tell what those do.

    Where `refused` says why the run cannot tell, and `remedy` what would change that, there are no such numbers.
    `differs` is the share of what happens that would be something else, `effective` how many decisions speak for that.
    `not_replayed` are the settings that differ and are not looked at, and `VALUES` where the log does not hold all
    values of metrics that the policy would have decided by: it decides by those that are there.
    """

    policy: str
    decisions: int
    differs: float
    effective: float
    refused: str = ""
    remedy: str = ""
    reward: float | None = None
    low: float | None = None
    high: float | None = None
    snips: float | None = None
    ips: float | None = None
    better: float | None = None
    better_low: float | None = None
    better_high: float | None = None
    not_replayed: tuple[str, ...] = ()


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Estimates by one run: of so many ended decisions of the loop, of which `rewards` are known and earned `earned` on
    average, whatever chose them. Left out: `open` ones, those that people made, `repeats` on an episode, those of
    `before` another baseline and those `older` than what is looked at.
    """

    decisions: int
    entities: int
    rewards: int
    earned: float | None
    open: int
    by_people: int
    repeats: int
    before: int
    older: int
    policies: tuple[Evaluated, ...]


def evaluate(run: Reader, settings: Settings, policies: Sequence[str], others: Mapping[str, Settings]) -> Evaluation:
    """Say what policies would have earned: `running`, `none`, `baseline`, or one that `others` has settings for.

    `settings` are those of the run. The loop's own choices are what all are compared with.
    """
    record = read_decisions(_ends(run), horizon_us=settings.attribute.horizon_us, wait_us=wait_us(settings))
    table = _tabulated(record, settings, settings)
    found = []
    for name in policies:
        if (other := others.get(name)) is None:
            found.append(_evaluated(name, table, _chances(name, table, settings), ()))
            continue
        wider = _tabulated(record, settings, other)
        left_out = (*not_replayed(settings, other), *_values_left_out(wider, settings, other))
        found.append(_evaluated(name, wider, _again(run, wider, settings, other), left_out))
    earned = table.log.rewards[table.log.seen]
    return Evaluation(
        decisions=len(table.decided),
        entities=len({one.proposal.entity for one in table.decided}),
        rewards=len(earned),
        earned=table.reward(float(earned.mean())) if len(earned) else None,
        open=record.open,
        by_people=record.by_people,
        repeats=record.repeats,
        before=table.before,
        older=table.older,
        policies=tuple(found),
    )


def _ends(run: Reader) -> Iterator[Event]:
    """Yield all verdicts before the experiences: read together, topics come in any order."""
    for topic in ("verdicts", "experience"):
        yield from (event for _, event in run.events(topic))


def _tabulated(record: Record, settings: Settings, other: Settings) -> Table:
    """Return the decisions as columns, also of actions of another policy: of each policy by itself, so that no number
    depends on what else is asked.
    """
    return tabulate(record, baseline=settings.policy.baseline, costs=costs_of(other) | costs_of(settings))


def _chances(policy: str, table: Table, settings: Settings) -> list[Chances | None]:
    """Return how a policy without a file of its own chooses at each decision."""
    proposals = [one.proposal for one in table.decided]
    match policy:
        case "running":
            return [table.explored(one.probabilities) for one in proposals]
        case "baseline":
            return [{baseline_of(one, settings.policy.baseline): 1.0} for one in proposals]
        case _:
            return [{NONE: 1.0} for _ in proposals]


def _again(run: Reader, table: Table, settings: Settings, other: Settings) -> list[Chances | None]:
    """Return how the loop would have chosen under other settings; None where that cannot be followed. Proposals are
    read from verdicts, which are kept as long as experience.
    """
    again = choose_again(
        (event.proposal for _, event in run.events("verdicts") if isinstance(event, Verdict)),
        (event for _, event in run.events("experience") if isinstance(event, Experience)),
        own=Chooser(policy=settings.policy, actions=settings.actions),
        other=Chooser(policy=other.policy, actions=other.actions),
        wanted={one.proposal.id for one in table.decided},
    )
    chosen = (again.get(one.proposal.id) for one in table.decided)
    return [None if one is None else table.explored(one) for one in chosen]


def _evaluated(policy: str, table: Table, chances: Sequence[Chances | None], left_out: tuple[str, ...]) -> Evaluated:
    """Judge a policy by the decisions at which its choices are known."""
    rows = np.array([at for at, one in enumerate(chances) if one is not None], dtype=np.intp)
    told = [one for one in chances if one is not None]
    log = table.log if len(rows) == len(table.log) else table.log.take(rows)
    judged = judge(log, table.targets(told))
    common = Evaluated(
        policy=policy,
        decisions=len(told),
        differs=judged.support.differs,
        effective=judged.support.effective,
        not_replayed=left_out,
    )
    refusal = refusal_of(judged.support, table.actions, met=len(chances), before=table.before)
    if refusal is not None:
        return replace(common, refused=refusal.why, remedy=refusal.remedy)
    own = judge(log, table.targets(table.explored(table.decided[row].proposal.probabilities) for row in rows))
    found = estimate(log, judged)
    answered = replace(
        common,
        reward=table.reward(found.doubly_robust),
        low=table.reward(found.low),
        high=table.reward(found.high),
        snips=table.reward(found.snips),
        ips=table.reward(found.ips),
    )
    if not own.support.is_enough:
        return answered
    scale, (better, low, high) = 1.0 - table.low, difference(log, judged, own)
    return replace(answered, better=scale * better, better_low=scale * low, better_high=scale * high)


def _values_left_out(table: Table, settings: Settings, other: Settings) -> tuple[str, ...]:
    """Return `VALUES` where some decision lacks values that count under the other settings."""
    own, names = settings.policy.values, other.policy.values
    whole = own == names or all(are_recorded(one.proposal.features, names, own=own) for one in table.decided)
    return () if whole else (VALUES,)
