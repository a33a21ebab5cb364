"""A life renewed where so many of its group must be left: from telemetry through detect and the policy to the gate."""

import msgspec
import numpy as np
import pytest

from schemas.events import Census, Measurement, Proposal
from streams.loop.detect import Detect, DetectSettings
from streams.loop.gate import GateSettings, LevelSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.loop.decided import START, recorded
from tests.loop.gate_bench import Bench, census, verdicts
from tests.loop.plant import ACTIONS, HOUR, policy

AGE_H = 40
HELD_OUT = {"loop": 0.0, "baseline": 1.0, "none": 0.0}
DETECT = DetectSettings(window_us=0, idle_us=2 * HOUR, gone_us=100 * HOUR)


def measured() -> list[Measurement]:
    """Return the windows of a pump of a group, an hour apart; it moves, so that some are of an episode."""
    detect = Detect(DETECT, loop="t", partition=0, seed=1, measures_all=True)
    hours = AGE_H + 2
    load = 10.0 + np.arange(hours) % 3 + 900.0 * (np.arange(hours) > hours - 4)
    batch = TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(hours),
        entities=["pump-1"] * hours,
        time_us=START + HOUR * np.arange(hours),
        metrics=("failed", "load"),
        values=np.stack((np.zeros(hours), load), axis=1),
        tokens={},
        groups=dict.fromkeys(range(hours), "pumps"),
    )
    events = detect.on_batch([batch], Now(START, START))
    return [event for event in events if isinstance(event, Measurement)]


def asked() -> Proposal:
    processor = policy(hold_out=HELD_OUT, renewal={"baseline_age_us": AGE_H * HOUR})
    (one, *_) = (
        event
        for number, window in enumerate(measured())
        for event in processor.on_batch(recorded(window, first=number), Now(START, START))
        if isinstance(event, Proposal)
    )
    return one


def of_group(*, live: int) -> Census:
    return msgspec.structs.replace(census(abnormal=0, live=live), group="pumps")


@pytest.mark.parametrize(("live", "decided_by"), [(3, None), (2, "healthy")])
def test_as_many_healthy_ones_are_left_as_must_be(live: int, decided_by: str | None) -> None:
    settings = GateSettings(healthy_least=2, abnormal_share=1.0)
    bench = Bench(settings=settings, levels=LevelSettings(default="act", novel="act"), actions=ACTIONS)
    bench.start()
    bench.give(of_group(live=live))
    (verdict,) = verdicts(bench.give(asked()))
    assert verdict.decided_by == decided_by


def test_in_an_episode_too_the_group_is_told() -> None:
    assert {bool(one.episode) for one in measured()} == {True, False}
    assert {one.group for one in measured()} == {"pumps"}
