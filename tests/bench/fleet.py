"""Does the loop learn? The simulated fleet under the real processors: the loop's arm against the baseline's.

`python -m tests.bench.fleet --seeds 30 --json out.json`. Per seed the last quarter of the run is judged, by the
product's own hold-out; over seeds the mean difference has a 95 % Student interval. `lift_...` are what each seed's own
report proves (`streams.operate.proof`): over the whole run, exploring included, with the interval that holds at
every look; `lift_positive_seeds` is in how many of them that lies above 0. `regret_quarter_...`: how much less likely
what happened in the loop's arm was to end the fault than what ends it best, which the fleet alone knows.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.special import stdtrit

from schemas import wire
from schemas.events import ARMS, Experience
from schemas.ids import seed_of
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.decode import make_decode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Processor
from streams.loop.recognise import Recognise, RecogniseSettings
from streams.loop.role import Role
from streams.operate.memory_reader import MemoryReader
from streams.operate.proof import prove
from streams.operate.proof_fields import Lift, Proof
from streams.replay import Driver, DriverSettings
from streams.settings import LoopSettings, Settings
from streams.worlds.fleet import FleetWorld
from streams.worlds.fleet_settings import FleetSettings

LOOP = "fleet"
SETTINGS_HASH = "simulated"
START_US = 1_700_000_000_000_000
ENDLESS = "10000/hour"
"""The claim is about learning: the limits, and levels that are lost, stay out of its way."""
LEVELS = LevelSettings(default="act", novel="act", wrong=1e-12, alarm_every=10**12)
GATE = GateSettings(
    loop_limit=ENDLESS,
    pattern_limit=ENDLESS,
    entity_attempts=ENDLESS,
    explore_limit=ENDLESS,
    cost_a_day=1e6,
    concurrency=1_000,
    abnormal_share=1.0,
    failed_share=1.0,
)
DETECT = DetectSettings(onset_windows=2, measure_after_us=20_000_000)
ATTRIBUTE = AttributeSettings()
POLICY = PolicySettings()
QUARTERS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One seed: rewards by arm of the whole run and of its last quarter, how the loop's arm chose, its regrets by
    quarter (1 to 4), and what its report proves.
    """

    seed: int
    seconds: float
    rewards: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, list[float]] = field(default_factory=dict)
    availability: dict[str, list[float]] = field(default_factory=dict)
    best: list[bool] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    regrets: dict[int, list[float]] = field(default_factory=dict)
    proof: Proof

    def difference(self) -> float:
        """Return how much more the loop's arm earned than the baseline's, per decision of the last quarter."""
        return float(np.mean(self.last["loop"]) - np.mean(self.last["baseline"]))


def actions_of(world: FleetSettings) -> dict[str, ActionSettings]:
    """Return the fleet's actions, without limits."""
    return {
        name: ActionSettings(name=name, cost=0.05, limit=ENDLESS, cooldown_us=0, expires_us=10_000_000)
        for name in world.actions
    }


def make_role(
    role: str, partition: int, *, seed: int, actions: dict[str, ActionSettings], policy: PolicySettings
) -> Role:
    """Return a role without state."""
    processors: dict[str, list[Processor]] = {
        "detect": [Detect(DETECT, loop=LOOP, partition=partition, seed=seed)],
        "decide": [
            Recognise(RecogniseSettings(), loop=LOOP),
            Attribute(ATTRIBUTE, loop=LOOP, actions=actions),
            Policy(policy, loop=LOOP, seed=seed, actions=actions),
        ],
        "gate": [
            Gate(
                GATE,
                loop=LOOP,
                settings_hash=SETTINGS_HASH,
                actions=actions,
                levels=LEVELS,
            )
        ],
    }
    return Role(name=role, loop=LOOP, processors=processors[role], decode=make_decode())


def run_seed(seed: int, *, world: FleetSettings, minutes: int, policy: PolicySettings = POLICY) -> Run:
    """Run the whole loop over one seeded fleet, for so many simulated minutes."""
    began = perf_counter()
    fleet = FleetWorld(world, seed=seed, start_us=START_US)
    driver = Driver(
        settings=DriverSettings(
            loop=LOOP,
            seed=seed,
            start_us=START_US,
            tick_us=world.period_us,
            partitions=1,
            executors=1,
            settings_hash=SETTINGS_HASH,
            steps_per_snapshot=1_000_000,
            roles=("detect", "decide", "gate"),
        ),
        make_role=partial(make_role, seed=seed_of(LOOP, seed), actions=actions_of(world), policy=policy),
        world=fleet,
    )
    driver.run(telemetry_events=world.entities * minutes * 60_000_000 // world.period_us)
    return _judged(seed, driver, fleet, policy, perf_counter() - began)


def settings_of(world: FleetSettings, policy: PolicySettings) -> Settings:
    """Return the settings as a report reads them."""
    return Settings(loop=LoopSettings(name=LOOP), policy=policy, attribute=ATTRIBUTE, actions=actions_of(world))


def _judged(seed: int, driver: Driver, fleet: FleetWorld, policy: PolicySettings, seconds: float) -> Run:
    run = Run(
        seed=seed,
        seconds=seconds,
        proof=prove(MemoryReader(driver.log), settings_of(fleet.settings, policy)),
        regrets={quarter: [] for quarter in QUARTERS},
        **{name: {arm: [] for arm in ARMS} for name in ("rewards", "last", "availability")},
    )
    experiences = list(experiences_of(driver))
    for experience in experiences:
        run.states[experience.state] = run.states.get(experience.state, 0) + 1
    decided = sorted({e.proposal: e for e in experiences}.values(), key=lambda e: e.decided_us)  # a correction counts
    span_us = driver.settings.start_us, max(e.decided_us for e in decided)
    for experience in decided:
        if experience.arm == "loop" and (regret := _regret(experience, fleet)) is not None:
            quarter = len(QUARTERS) * (experience.decided_us - span_us[0]) // (span_us[1] - span_us[0] + 1)
            run.regrets[QUARTERS[quarter]].append(regret)
        if experience.reward is None:
            continue
        run.rewards[experience.arm].append(experience.reward)
        if experience.availability is not None:
            run.availability[experience.arm].append(experience.availability)
        if experience.decided_us >= span_us[0] + 0.75 * (span_us[1] - span_us[0]):
            run.last[experience.arm].append(experience.reward)
            kind = fleet.kind_at(experience.entity, experience.decided_us)
            if kind is not None and experience.arm == "loop":
                run.best.append(experience.effective == fleet.remedies.best(kind, experience.decided_us))
    return run


def _regret(experience: Experience, fleet: FleetWorld) -> float | None:
    """Return how much less likely what happened ended the fault than what ends it best; None where there was none."""
    kind, at_us = fleet.kind_at(experience.entity, experience.decided_us), experience.decided_us
    if kind is None:
        return None
    best = fleet.remedies.probability(kind, fleet.remedies.best(kind, at_us), at_us)
    return best - fleet.remedies.probability(kind, experience.effective, at_us)


def experiences_of(driver: Driver) -> list[Experience]:
    """Return everything on the topic `experience`."""
    batch = driver.log.read(Experience.TOPIC, 0, 0)
    if batch is None:
        return []
    events = (wire.decode(batch.topic, *pair) for pair in zip(batch.values, batch.headers, strict=True))
    return [event for event in events if isinstance(event, Experience) and event.is_outcome]


def interval_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its 95 % Student interval."""
    half = float(stdtrit(len(values) - 1, 0.975)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def rows_of(case: str, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the tidy rows of one case; `system` is the arm, the loop being `flyball`."""
    rows: list[dict[str, Any]] = []

    def row(system: str, metric: str, value: float, unit: str) -> None:
        rows.append(
            {"benchmark": "fleet", "case": case, "system": system, "metric": metric, "value": value, "unit": unit}
        )

    for arm, system in zip(ARMS, ("flyball", "baseline", "none"), strict=True):
        row(system, "reward_last_quarter", float(np.mean([np.mean(run.last[arm]) for run in runs])), "reward")
        row(system, "reward_whole_run", float(np.mean([np.mean(run.rewards[arm]) for run in runs])), "reward")
        row(system, "availability", float(np.mean([np.mean(run.availability[arm]) for run in runs])), "share")
        row(system, "decisions", sum(len(run.rewards[arm]) for run in runs), "decisions")
    mean, low, high = interval_of([run.difference() for run in runs])
    row("flyball", "reward_over_baseline", mean, "reward")
    row("flyball", "reward_over_baseline_low", low, "reward")
    row("flyball", "reward_over_baseline_high", high, "reward")
    row("flyball", "best_action", float(np.mean([np.mean(run.best) for run in runs])), "share")
    row("flyball", "seeds", len(runs), "seeds")
    for metric, value, unit in _proven(runs):
        row("flyball", metric, value, unit)
    row("flyball", "seconds_per_seed", float(np.mean([run.seconds for run in runs])), "s")
    return rows


def _proven(runs: Sequence[Run]) -> Iterator[tuple[str, float, str]]:
    """Yield what the reports prove, and whether regret shrinks: metric, value, unit."""
    for over, suffix in (("baseline", ""), ("none", "_none")):
        lifts = [lift for run in runs for lift in run.proof.lifts if lift.over == over]
        yield f"lift_positive_seeds{suffix}", sum(lift.low > 0.0 for lift in lifts), "seeds"
        if lifts:
            yield from ((f"lift{suffix}{name}", mean, "reward") for name, mean in _means(lifts).items())
            yield f"lift_episodes{suffix}", float(np.mean([lift.episodes for lift in lifts])), "episodes a seed"
        proven = [lift.proven_after for lift in lifts if lift.proven_after is not None]
        if proven:
            yield f"lift_proven_after{suffix}", float(np.median(proven)), "episodes"
    told = [run.proof.paid for run in runs if run.proof.paid is not None]
    paid = [one.after for one in told if one.after is not None]
    yield "paid_seeds", len(paid), "seeds"
    if paid:
        yield "paid_after", float(np.median(paid)), "episodes"
    sure = [one.sure_after for one in told if one.sure_after is not None and one.sure_now]
    yield "paid_surely_seeds", len(sure), "seeds"
    if sure:
        yield "paid_surely_after", float(np.median(sure)), "episodes"
    if prices := [run.proof.exploring.price for run in runs if run.proof.exploring is not None]:
        yield "exploring_price", float(np.mean(prices)), "reward"
    for quarter in QUARTERS:
        yield f"regret_quarter_{quarter}", float(np.mean([np.mean(run.regrets[quarter]) for run in runs])), "share"
    shrank = sum(float(np.mean(run.regrets[4])) < float(np.mean(run.regrets[1])) for run in runs)
    yield "regret_shrank_seeds", shrank, "seeds"


def _means(lifts: Sequence[Lift]) -> dict[str, float]:
    return {
        "": float(np.mean([lift.lift for lift in lifts])),
        "_least": min(lift.lift for lift in lifts),
        "_low": float(np.mean([lift.low for lift in lifts])),
        "_high": float(np.mean([lift.high for lift in lifts])),
    }


CASES = {
    "steady": FleetSettings(),
    "drift": FleetSettings(drift_us=480_000_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=int, default=20, help="simulated minutes per seed")
    parser.add_argument("--case", choices=sorted(CASES), action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for case in arguments.case or sorted(CASES):
            one = partial(run_seed, world=CASES[case], minutes=arguments.minutes)
            rows += rows_of(case, list(pool.map(one, range(arguments.first, arguments.first + arguments.seeds))))
    for row in rows:
        print(f"{row['case']:8} {row['system']:10} {row['metric']:26} {row['value']:12.4f} {row['unit']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
