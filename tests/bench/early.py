"""How much sooner the policy learns where outcomes are long in coming, and whether their leaving the signal is told.

`python -m tests.bench.early --seeds 20 --json out.json`. An episode a `TICK_S`, each on another entity, under the real
policy and attribute; outcomes are known ten minutes after a decision, the early signal after one. One action makes most
entities well within a minute, the other some; the rest recover within minutes. On a first pattern the signal comes to
be known; then a second one begins, on which the other action is the better one. `sooner`: how many decisions on that
are made until the better action has more than 9 in 10 of the loop's probability, and what they earn. `leaving`: later,
who is not well within a minute does not recover any more: after how many decisions that is told of, on the first
pattern, and on one of which every second entity is as slow whatever is done.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schemas.events import NONE, Drift, Event, Experience, Measurement, Outcome, Proposal, Recurrence, Verdict
from schemas.events.insights import MetricSignature
from schemas.ids import Cause
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Now, Record
from tests.bench.rows import Row, print_table, write_rows

S = 1_000_000
START_US = 1_700_000_000 * S
TICK_S, HORIZON_S, AFTER_S = 10, 600, 60
EPISODES = 150
"""Of each pattern."""
ACTIONS = {name: ActionSettings(name=name, cost=0.05) for name in ("restart", "recycle")}
LEAVING = 300
"""Episodes after outcomes left the signal."""
BETTER = {"p-1": "restart", "p-2": "recycle", "p-3": "restart"}
METRICS = {"p-1": "cpu", "p-2": "disk", "p-3": "memory"}
QUICK = {"p-1": (0.25, 0.85), "p-2": (0.25, 0.85), "p-3": (0.5, 0.5)}
"""How often any other action, and the better one, makes an entity well within a minute."""
SURE = 0.9
EARLY = EarlySettings(after_us=AFTER_S * S)


@dataclass(slots=True)
class Run:
    """One seed under one system. `chances` are those of the better action at each decision, by pattern; `rewards` what
    became of those of the loop's own arm.
    """

    chances: dict[str, list[float]] = field(default_factory=lambda: {pattern: [] for pattern in BETTER})
    rewards: dict[str, list[float]] = field(default_factory=lambda: {pattern: [] for pattern in BETTER})
    drifts: list[int] = field(default_factory=list)
    """How many decisions had been made when a drift was told."""
    foretold: int = 0

    def decisions_to_benefit(self, pattern: str) -> int:
        """Return how many decisions were made before the better action was sure; all where it never was."""
        chances = self.chances[pattern]
        return next((n for n, chance in enumerate(chances) if chance > SURE), len(chances))


class World:
    """Entities that fail, are acted on and recover; `turned`: those that are not well within a minute never are."""

    def __init__(self, *, seed: int, early: EarlySettings | None) -> None:
        attribute = AttributeSettings(horizon_us=HORIZON_S * S, grace_us=0, early=early)
        self._attribute = Attribute(attribute, loop="bench", actions=ACTIONS)
        self._policy = Policy(PolicySettings(), loop="bench", seed=seed, actions=ACTIONS)
        self._rng = np.random.default_rng(seed)
        self._well: dict[str, tuple[int, int]] = {}
        """Of each entity that is measured: since when, and when it is well (s)."""
        self._offset = self._made = self._second = 0
        self.run = Run()

    def live(self, pattern: str, *, episodes: int, turned: bool = False) -> None:
        """Let episodes come, and then wait for what became of them."""
        for n in range(episodes + HORIZON_S // TICK_S + 2):
            self._second += TICK_S
            if n < episodes:
                self._open(pattern, turned=turned)
            self._measure()
            self._tell(self._attribute.on_time(self._now()))

    def _open(self, pattern: str, *, turned: bool) -> None:
        self._made += 1
        told = self._policy.on_batch(self._records([_recurrence(self._made, pattern, self._us())]), self._now())
        (one,) = [event for event in told if isinstance(event, Proposal)]
        self.run.chances[pattern].append(one.probabilities[BETTER[pattern]])
        action = None if one.action == NONE else f"action-{self._made}"
        verdict = Verdict(
            id=f"v{self._made}", time_us=self._us(), proposal=one, verdict="allow", level="act", checks=(),
            settings_hash="h", action=action,
        )  # fmt: skip
        self._tell(self._attribute.on_batch(self._records([verdict, *_outcomes(verdict)]), self._now()))
        self._policy.on_batch(self._records([verdict]), self._now())
        is_quick = self._rng.random() < QUICK[pattern][one.action == BETTER[pattern]]
        lasts = self._rng.integers(1, 5) if is_quick else HORIZON_S if turned else self._rng.integers(15, 40)
        self._well[one.entity] = self._second, self._second + TICK_S * int(lasts)

    def _measure(self) -> None:
        """Tell the window that ends now of every entity within its horizon."""
        self._well = {who: since for who, since in self._well.items() if self._second <= since[0] + HORIZON_S}
        windows = [
            Measurement(
                id=f"{who}/{self._second}", time_us=self._us(), entity=who, episode="",
                start_us=self._us() - TICK_S * S, end_us=self._us(), samples=1, abnormal=self._second <= well_s,
                score=0.0, values={},
            )
            for who, (_, well_s) in self._well.items()
        ]  # fmt: skip
        self._attribute.on_batch(self._records(windows), self._now())

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Drift):
                self.run.drifts.append(self._made)
            elif isinstance(event, Experience):
                self._policy.on_batch(self._records([event]), self._now())
                self.run.foretold += not event.is_outcome
                if event.is_outcome and event.arm == "loop" and event.reward is not None:
                    self.run.rewards[event.pattern].append(event.reward)

    def _records(self, events: Sequence[Event]) -> list[Record]:
        self._offset += len(events)
        first = self._offset - len(events)
        return [Record(Cause(event.TOPIC, 0, first + n), event) for n, event in enumerate(events)]

    def _us(self) -> int:
        return START_US + self._second * S

    def _now(self) -> Now:
        return Now(self._us(), self._us())


def _recurrence(number: int, pattern: str, time_us: int) -> Recurrence:
    return Recurrence(
        id=f"r{number}", time_us=time_us, entity=f"web-{number}", episode=f"e{number}", pattern=pattern,
        candidate=pattern, support=5, distance=0.1, novelty=0.1, severity=6.0,
        signature={METRICS[pattern]: MetricSignature(mean=5.0, peak=8.0, trend=0.3)},
    )  # fmt: skip


def _outcomes(verdict: Verdict) -> list[Outcome]:
    """Return the end of an action, which takes no time here."""
    if verdict.action is None:
        return []
    return [
        Outcome(
            id=f"o/{verdict.action}", time_us=verdict.time_us, action=verdict.action, entity=verdict.proposal.entity,
            group="bench", executor="x", state="succeeded", ended_us=verdict.time_us,
        )
    ]  # fmt: skip


def sooner(seed: int, *, early: EarlySettings | None) -> Run:
    """Return what one seed comes to where the second pattern follows the first."""
    world = World(seed=seed, early=early)
    world.live("p-1", episodes=EPISODES)
    world.live("p-2", episodes=EPISODES)
    return world.run


def leaving(seed: int, *, pattern: str) -> int | None:
    """Return how many decisions after outcomes left the signal that is told; None where it is not."""
    world = World(seed=seed, early=EARLY)
    world.live(pattern, episodes=EPISODES)
    world.live(pattern, episodes=LEAVING, turned=True)
    return world.run.drifts[0] - EPISODES if world.run.drifts else None


def _sooner_rows(system: str, runs: Sequence[Run]) -> list[Row]:
    steps = np.array([run.decisions_to_benefit("p-2") for run in runs])
    numbers = (
        ("to benefit, median", float(np.median(steps)), "decisions"),
        ("to benefit, most", float(steps.max()), "decisions"),
        ("reward", float(np.mean([np.mean(run.rewards["p-2"]) for run in runs])), "of 1"),
        ("drifts told", float(sum(len(run.drifts) for run in runs)), "in all"),
    )
    return [Row(benchmark="early", case="sooner", system=system, metric=name, value=value, unit=unit)
            for name, value, unit in numbers]  # fmt: skip


def _leaving_rows(slow: str, after: Sequence[int | None]) -> list[Row]:
    told = [one for one in after if one is not None]
    numbers = [("told", float(len(told)), f"of {len(after)} seeds")]
    numbers += [("until told, median", float(np.median(told)), "decisions")] if told else []
    return [Row(benchmark="early", case="leaving", system=slow, metric=name, value=value, unit=unit)
            for name, value, unit in numbers]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.early", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.seeds)
    rows: list[Row] = []
    for system, early in (("early signals", EARLY), ("outcomes only", None)):
        rows += _sooner_rows(system, [sooner(seed, early=early) for seed in seeds])
    for slow, pattern in (("few are slow", "p-1"), ("half are slow", "p-3")):
        rows += _leaving_rows(slow, [leaving(seed, pattern=pattern) for seed in seeds])
    print_table(rows)
    write_rows(given.json, rows)


if __name__ == "__main__":
    main()
