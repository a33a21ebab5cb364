"""Estimates by one run of the product against the simulated fleet, beside what the policies earned when they ran."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from schemas.events import Experience
from streams.operate.evaluation import evaluate
from streams.operate.recorded_run import RecordedRun
from streams.operate.simulation import fleet_loop, simulate_fleet
from streams.settings import Settings
from tests.bench.rows import Row

EVENTS, SEED = 40_000, 7
RAN = ("none", "baseline")


def by_the_log_and_run() -> Iterator[Row]:
    """Yield each policy's estimate and interval by a run with the hold-out, and its mean reward in a run of its own."""
    settings = fleet_loop(None)
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(_run(settings, Path(folder) / "log"), settings, RAN, {})
        for one in found.policies:
            shares = {"loop": 0.0, "baseline": 0.0, "none": 0.0} | {one.policy: 1.0}
            alone = replace(settings, policy=replace(settings.policy, hold_out=shares))
            earned = _mean(_run(alone, Path(folder) / one.policy))
            numbers = {"estimate": one.reward, "low": one.low, "high": one.high, "ran": earned}
            for metric, value in numbers.items():
                if value is not None:
                    system = "flyball" if metric != "ran" else "the run itself"
                    yield Row(
                        benchmark="ope",
                        case=f"fleet {one.policy}",
                        system=system,
                        metric=metric,
                        value=value,
                        unit="reward",
                    )


def _run(settings: Settings, folder: Path) -> RecordedRun:
    simulate_fleet(settings, seed=SEED, telemetry_events=EVENTS, on_progress=lambda _: None, save=folder)
    return RecordedRun(folder)


def _mean(run: RecordedRun) -> float:
    told = (event for _, event in run.events("experience") if isinstance(event, Experience) and event.is_outcome)
    last = {event.proposal: event.reward for event in told}
    rewards = [reward for reward in last.values() if reward is not None]
    return sum(rewards) / len(rewards)
