"""The proof of value of a run, from its topics alone: verdicts, experience, insights, answers of people, patterns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from schemas.events import Event, Pattern
from streams.learners.lift import ARMS, Differences, HoldOut, Vector, between, beyond, foretell, likeliest
from streams.operate.proof import Arm, Beside, Exploring, Lift, Paid, PatternBenefit, Peek, Proof
from streams.operate.story import Reader
from streams.replay.held_out import HeldOut, read_held_out
from streams.replay.logged_decisions import frozen_since
from streams.settings import Settings

LOOP, BASELINE, NOTHING = range(len(ARMS))
MOST_PATTERNS = 32
"""The most frequent ones."""
MOST_PEEKS = 40

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """The episodes as columns; in `log` rewards are between 0 and 1, and `scale` is what 1 of that is."""

    episodes: Sequence[HeldOut]
    log: HoldOut
    scale: float
    actions: int
    people: Vector

    @cached_property
    def possible(self) -> Rows:
        """Which arms each episode could be in, shape (n, arms)."""
        found: Rows = self.log.shares > 0.0
        return found

    def rows(self, *arms: int) -> Rows:
        """Return which episodes could be in each of some arms."""
        found: Rows = np.logical_and.reduce(self.possible[:, list(arms)], axis=1)
        return found

    def time_us(self, rows: Rows, after: int | None) -> int | None:
        """Return when so many of some episodes had been decided."""
        return None if after is None else self.episodes[int(np.flatnonzero(rows)[after - 1])].proposal.time_us


def prove(run: Reader, settings: Settings) -> Proof:
    """Say what a run's hold-out proves. `settings` are those of the run."""
    attribute = settings.attribute
    held_out = read_held_out(
        _events(run, "verdicts", "experience"),
        _events(run, "insights"),
        _events(run, "approvals"),
        settings=attribute,
        wait_us=settings.policy.expires_us + attribute.escalation_us + attribute.horizon_us + attribute.grace_us,
    )
    before = frozen_since([one.proposal for one in held_out.episodes], settings.policy.baseline)
    table = _tabulated(held_out.episodes[before:], settings)
    over = {arm: lift for arm in (BASELINE, NOTHING) if (lift := _lift(table, arm, table.rows(LOOP, arm))) is not None}
    return Proof(
        baseline=settings.policy.baseline,
        episodes=len(table.episodes),
        since_us=table.episodes[0].proposal.time_us if table.episodes else 0,
        open=held_out.open,
        before=before,
        older=held_out.older,
        arms=tuple(_arm(table, arm, settings.account.minutes_per_answer) for arm in range(len(ARMS))),
        lifts=tuple(over.values()),
        course=_course(table),
        exploring=_exploring(table),
        hold_out_price=_hold_out_price(table, over),
        paid=_paid(table),
        beside=_beside(table),
        patterns=_patterns(table, _names(run)),
    )


def _events(run: Reader, *topics: str) -> Iterator[Event]:
    """Yield topic after topic: read together they come in any order."""
    for topic in topics:
        yield from (event for _, event in run.events(topic))


def _tabulated(episodes: Sequence[HeldOut], settings: Settings) -> _Table:
    low = -max((action.cost for action in settings.actions.values()), default=0.0)
    patterns = {name: at for at, name in enumerate(sorted({one.proposal.pattern for one in episodes}))}
    rewards = (np.array([one.reward for one in episodes], dtype=np.float64) - low) / (1.0 - low)
    arms = np.array([ARMS.index(one.arm) for one in episodes], dtype=np.intp)
    rewards = np.clip(rewards, 0.0, 1.0)
    foretold = foretell(
        arms,
        np.array([patterns[one.proposal.pattern] for one in episodes], dtype=np.intp),
        rewards,
        decided=np.array([one.proposal.time_us for one in episodes], dtype=np.int64),
        told=np.array([one.told_us for one in episodes], dtype=np.int64),
    )
    shares = np.array([[one.shares.get(arm, 0.0) for arm in ARMS] for one in episodes], dtype=np.float64)
    price = settings.account.minutes_per_answer * settings.account.price_of_minute
    return _Table(
        episodes=episodes,
        log=HoldOut(arms=arms, shares=shares.reshape(-1, len(ARMS)), rewards=rewards, foretold=foretold),
        scale=1.0 - low,
        actions=max((len(one.proposal.probabilities) for one in episodes), default=1),
        people=price * np.array([one.answers for one in episodes], dtype=np.float64),
    )


def _arm(table: _Table, arm: int, minutes: float) -> Arm:
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


def _lift(table: _Table, arm: int, rows: Rows) -> Lift | None:
    """Return what the loop's arm earns more than another by some episodes; None without any."""
    if not rows.any():
        return None
    found = between(table.log.take(rows), LOOP, arm)
    low, high = found.interval()
    after = found.proven_after()
    return Lift(
        over=ARMS[arm],
        episodes=int(rows.sum()),
        lift=table.scale * found.mean(),
        low=table.scale * low,
        high=table.scale * high,
        proven_after=after,
        proven_us=table.time_us(rows, after),
    )


def _course(table: _Table) -> tuple[Peek, ...]:
    rows = table.rows(LOOP, BASELINE)
    count = int(rows.sum())
    found = between(table.log.take(rows), LOOP, BASELINE)
    peeks = []
    for stop in sorted({max(1, count * step // MOST_PEEKS) for step in range(1, MOST_PEEKS + 1)} if count else ()):
        low, high = found.interval(stop)
        time_us = table.time_us(rows, stop) or 0
        lift = table.scale * found.mean(stop)
        peeks.append(Peek(episodes=stop, time_us=time_us, lift=lift, low=table.scale * low, high=table.scale * high))
    return tuple(peeks)


def _exploring(table: _Table) -> Exploring | None:
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
        total=table.scale * float(found.values.sum()),
    )


def _hold_out_price(table: _Table, over: dict[int, Lift]) -> float | None:
    """Return what the other arms' episodes would have earned more; None where a lift that it takes is not known."""
    counts = {arm: int((table.log.arms == arm).sum()) for arm in (BASELINE, NOTHING)}
    if any(count and arm not in over for arm, count in counts.items()):
        return None
    return sum(count * over[arm].lift for arm, count in counts.items() if count)


def _paid(table: _Table) -> Paid | None:
    rows = table.rows(BASELINE)
    if not rows.any():
        return None
    found, people = beyond(table.log.take(rows), BASELINE), table.people[rows] / table.scale
    net = Differences(found.values - people, found.least - float(people.max()), found.most)
    sums = np.cumsum(net.values)
    behind = np.flatnonzero(sums <= 0.0)
    after = (int(behind[-1]) + 2 if len(behind) else 1) if sums[-1] > 0.0 else None
    sure = net.proven_after()
    return Paid(
        value=table.scale * float(sums[-1]),
        people=float(table.people[rows].sum()),
        after=after,
        time_us=table.time_us(rows, after),
        sure_after=sure,
        sure_us=table.time_us(rows, sure),
    )


def _beside(table: _Table) -> Beside:
    exposed = np.array([one.exposed for one in table.episodes], dtype=np.bool_)
    apart = table.rows(LOOP, BASELINE) & ~exposed
    return Beside(
        grouped=sum(bool(one.proposal.group) for one in table.episodes),
        exposed=int(exposed.sum()),
        crossed=sum(one.crossed for one in table.episodes),
        apart=_lift(table, BASELINE, apart) if exposed.any() else None,
    )


def _names(run: Reader) -> dict[str, str]:
    return {event.pattern: event.name for _, event in run.events("patterns") if isinstance(event, Pattern)}


def _patterns(table: _Table, names: dict[str, str]) -> tuple[PatternBenefit, ...]:
    """Return the most frequent patterns, each as it was called when it was decided."""
    known = np.array([one.proposal.pattern for one in table.episodes], dtype=np.str_)
    counts = Counter(known[table.rows(LOOP, BASELINE)].tolist())
    lines = []
    for pattern, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_PATTERNS]:
        rows = known == pattern
        over = _lift(table, BASELINE, rows & table.rows(LOOP, BASELINE))
        over_none = _lift(table, NOTHING, rows & table.rows(LOOP, NOTHING))
        if over is not None:
            lines.append(
                PatternBenefit(
                    pattern=pattern,
                    name=names.get(pattern, ""),
                    episodes=over.episodes,
                    lift=over.lift,
                    low=over.low,
                    high=over.high,
                    over_baseline_after=over.proven_after,
                    over_none_after=None if over_none is None else over_none.proven_after,
                )
            )
    return tuple(lines)
