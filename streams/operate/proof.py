"""The proof of value of a run, from its topics alone: verdicts, experience, insights and patterns."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from schemas.events import ARMS, Event, Pattern
from streams.learners.confidence_sequences import ALPHA
from streams.learners.lift import between, beyond_net, likeliest
from streams.operate.proof_fields import Arm, Beside, Exploring, Lift, Paid, PatternBenefit, Peek, Proof
from streams.operate.proof_table import BASELINE, LOOP, NOTHING, HoldOutTable, tabulated, unchanged_since
from streams.operate.story import Reader
from streams.replay.held_out import read_held_out
from streams.replay.logged_decisions import ROUNDING
from streams.settings import Settings

MOST_PATTERNS = 32
"""The most frequent ones; each is given this share of what may go wrong, so that all are right together."""
MOST_PEEKS = 40


def prove(run: Reader, settings: Settings) -> Proof:
    """Say what a run's hold-out proves. `settings` are those of the run."""
    held_out = read_held_out(_ends(run), run.events("insights"), settings)
    before = unchanged_since(held_out.episodes, settings)
    table = tabulated(held_out.episodes[before:], settings)
    lifts = {arm: table.lift(arm, table.everything()) for arm in (BASELINE, NOTHING)}
    over = {arm: lift for arm, lift in lifts.items() if lift is not None}
    return Proof(
        baseline=settings.policy.baseline,
        over=ARMS[table.over],
        episodes=len(table),
        since_us=table.episodes[0].proposal.time_us if len(table) else 0,
        open=held_out.open,
        before=before,
        unseen=held_out.unseen,
        older=held_out.older,
        lives=held_out.lives,
        dear=sum(one.cost > table.scale - 1.0 + ROUNDING for one in table.episodes),
        arms=tuple(_arm(table, arm, settings.account.minutes_per_answer) for arm in range(len(ARMS))),
        lifts=tuple(over.values()),
        course=_course(table),
        exploring=_exploring(table),
        hold_out_price=_hold_out_price(table, over),
        paid=_paid(table),
        beside=_beside(table),
        patterns=_patterns(table, _names(run)),
    )


def _ends(run: Reader) -> Iterator[Event]:
    """Yield all verdicts before the experiences: read together, topics come in any order."""
    for topic in ("verdicts", "experience"):
        yield from (event for _, event in run.events(topic))


def _arm(table: HoldOutTable, arm: int, minutes: float) -> Arm:
    mine = [one for one in table.episodes if one.arm == ARMS[arm]]
    answers = sum(one.answers for one in mine)
    return Arm(
        arm=ARMS[arm],
        episodes=len(mine),
        unmeasured=sum(not one.measured for one in mine),
        left_alone=sum(not one.acted for one in mine),
        reward=float(np.mean([one.reward for one in mine])) if mine else None,
        cost=sum(one.cost for one in mine),
        answers=answers,
        minutes=minutes * answers,
    )


def _course(table: HoldOutTable) -> tuple[Peek, ...]:
    if not table.possible(LOOP, table.over):
        return ()
    count = len(table)
    found = between(table.log, LOOP, table.over)
    peeks = []
    for stop in sorted({max(1, count * step // MOST_PEEKS) for step in range(1, MOST_PEEKS + 1)}):
        low, high = found.interval(stop)
        time_us = table.known_us(table.everything(), stop)
        lift = table.scale * found.mean(stop)
        peeks.append(Peek(episodes=stop, time_us=time_us, lift=lift, low=table.scale * low, high=table.scale * high))
    return tuple(peeks)


def _exploring(table: HoldOutTable) -> Exploring | None:
    mine = table.log.arms == LOOP
    if not mine.any():
        return None
    own = [one for one in table.episodes if one.arm == ARMS[LOOP]]
    found = likeliest(
        table.log.rewards[mine],
        table.log.foretold[mine, LOOP],
        chance=np.array([one.likeliest for one in own]),
        took=np.array([one.took_likeliest for one in own], dtype=np.bool_),
        actions=table.actions,
    )
    low, high = found.interval()
    return Exploring(
        decisions=len(own),
        price=table.scale * found.mean(),
        low=table.scale * low,
        high=table.scale * high,
        total=len(own) * table.scale * found.mean(),
    )


def _hold_out_price(table: HoldOutTable, over: dict[int, Lift]) -> float | None:
    """Return what the other arms' episodes would have earned more; None where a lift that it takes is not known."""
    counts = {arm: int((table.log.arms == arm).sum()) for arm in (BASELINE, NOTHING)}
    if any(count and arm not in over for arm, count in counts.items()):
        return None
    return sum(count * over[arm].lift for arm, count in counts.items() if count)


def _paid(table: HoldOutTable) -> Paid | None:
    if not table.possible(BASELINE):
        return None
    people = np.minimum(table.people, table.people_most)
    net = beyond_net(table.log, BASELINE, people / table.scale, dearest=table.people_most / table.scale)
    sums = np.cumsum(net.values)
    behind = np.flatnonzero(sums <= 0.0)
    after = (int(behind[-1]) + 2 if len(behind) else 1) if sums[-1] > 0.0 else None
    sure = net.proven_after()
    return Paid(
        value=table.scale * float(sums[-1]),
        people=float(people.sum()),
        people_alone=float((table.log.weights(BASELINE) * people).sum()),
        after=after,
        time_us=None if after is None else table.known_us(table.everything(), after),
        sure_after=sure,
        sure_us=None if sure is None else table.known_us(table.everything(), sure),
        sure_now=net.interval()[0] > 0.0,
    )


def _beside(table: HoldOutTable) -> Beside:
    exposed = np.array([one.exposed for one in table.episodes], dtype=np.bool_)
    return Beside(
        grouped=sum(bool(one.proposal.group) for one in table.episodes),
        exposed=int(exposed.sum()),
        crossed=sum(one.crossed for one in table.episodes),
        apart=table.lift(table.over, ~exposed) if exposed.any() else None,
    )


def _names(run: Reader) -> dict[str, str]:
    return {event.pattern: event.name for _, event in run.events("patterns") if isinstance(event, Pattern)}


def _patterns(table: HoldOutTable, names: dict[str, str]) -> tuple[PatternBenefit, ...]:
    """Return the most frequent patterns, each as it was called when it was decided."""
    known = np.array([one.proposal.pattern for one in table.episodes], dtype=np.str_)
    counts = Counter(known.tolist())
    frequent = sorted(counts, key=lambda pattern: (-counts[pattern], pattern))[:MOST_PATTERNS]
    found = []
    for pattern in frequent:
        over = table.lift(table.over, known == pattern, alpha=ALPHA / MOST_PATTERNS)
        over_none = table.lift(NOTHING, known == pattern, alpha=ALPHA / MOST_PATTERNS)
        if over is not None:
            found.append(_benefit(pattern, names.get(pattern, ""), over, over_none))
    return tuple(found)


def _benefit(pattern: str, name: str, over: Lift, over_none: Lift | None) -> PatternBenefit:
    return PatternBenefit(
        pattern=pattern,
        name=name,
        episodes=over.episodes,
        lift=over.lift,
        low=over.low,
        high=over.high,
        after=over.proven_after,
        none_low=None if over_none is None else over_none.low,
        none_after=None if over_none is None else over_none.proven_after,
    )
