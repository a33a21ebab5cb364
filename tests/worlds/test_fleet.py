from collections import Counter
from typing import Any

import pytest

from schemas.events import Action, Outcome, Telemetry
from streams.worlds.fleet import AVAILABILITY, FleetWorld
from streams.worlds.fleet_settings import FleetSettings
from streams.worlds.world import World

S = 1_000_000
START = 1_700_000_000 * S
CALM: dict[str, Any] = {"life_every_us": 0, "storm_every_us": 0}
HONEST: dict[str, Any] = {"delayed": 0.0, "missing": 0.0, "duplicate": 0.0, "wrong": 0.0}


def fleet(seed: int = 1, **fields: Any) -> FleetWorld:
    return FleetWorld(FleetSettings(**fields), seed=seed, start_us=START)


def action(name: str, entity: str, seconds: int, number: int = 0) -> Action:
    us = START + seconds * S
    return Action(
        id=f"a{number:06d}",
        time_us=us,
        entity=entity,
        action=name,
        proposal="p",
        episode="e",
        pattern="p-1",
        issued_us=us,
        expires_us=us + 10 * S,
        settings_hash="h",
    )


def live(world: World, seconds: int, start: int = 0) -> list[Telemetry]:
    return [sample for second in range(start, seconds) for sample in world.telemetry(START + second * S)]


def answered(world: FleetWorld, name: str, *, seconds: int) -> list[Outcome]:
    """Answer every fault with one action as soon as it shows."""
    outcomes: list[Outcome] = []
    known = 0
    for second in range(seconds):
        world.telemetry(START + second * S)
        for fault in world.faults[known:]:
            known += 1
            world.act(action(name, fault.entity, second, known), START + second * S)
        outcomes += world.outcomes(START + second * S)
    return outcomes


def test_a_new_entity_is_healthy_for_its_calm_periods_and_then_fails() -> None:
    world = fleet(entities=10, fault_every_us=1, calm_periods=5, **CALM)
    live(world, 10)
    assert {(fault.start_us - START) // S for fault in world.faults[:10]} == {6}


def test_one_seed_is_one_world() -> None:
    assert live(fleet(3), 300) == live(fleet(3), 300)
    assert live(fleet(3), 30) != live(fleet(4), 30)


def test_how_often_it_is_asked_makes_no_difference() -> None:
    world = fleet(3)
    assert live(fleet(3), 300) == world.telemetry(START + 99 * S) + world.telemetry(START + 299 * S)


def test_every_living_entity_is_sampled_every_period() -> None:
    counts = Counter(sample.time for sample in live(fleet(entities=10, **CALM), 60))
    assert counts == {START + second * S: 10 for second in range(1, 60)}


def test_a_fault_shows_in_availability_and_ends_by_itself() -> None:
    world = fleet(entities=4, fault_us=30 * S, **CALM)
    samples = live(world, 300)
    low = {(sample.entity, sample.time) for sample in samples if sample.values[AVAILABILITY] < 0.8}
    within = {
        (fault.entity, time)
        for fault in world.faults
        for time in range(fault.start_us, min(fault.end_us, START + 300 * S), S)
    }
    assert len(world.faults) > 5
    assert low == within
    assert {fault.end_us - fault.start_us for fault in world.faults} == {30 * S}


def test_kinds_of_fault_look_different_and_alike_within() -> None:
    world = fleet(fault_every_us=60 * S, **CALM)
    samples, means = live(world, 400), {}
    for kind in range(world.settings.kinds):
        hit = [s for s in samples if world.kind_at(s.entity, int(s.time)) == kind]  # type: ignore[arg-type]
        means[kind] = [sum(s.values[name] for s in hit) / len(hit) for name in world.metrics]
    for one, first in means.items():
        for other, second in means.items():
            gap = max(abs(a - b) for a, b in zip(first, second, strict=True))
            assert one == other or gap > 10.0


def test_the_best_remedy_helps_most_and_the_last_action_makes_it_worse() -> None:
    ended = {}
    for name in ("restart", "rollback"):
        world = fleet(**CALM, **HONEST)
        answered(world, name, seconds=400)
        ended[name] = world
    helped = [fault for fault in ended["restart"].faults if fault.remedy == "restart"]
    assert 0.15 < len(helped) / len(ended["restart"].faults) < 0.8
    assert all(fault.end_us - fault.start_us < 5 * S for fault in helped)
    hurt = [fault for fault in ended["rollback"].faults if fault.worse]
    assert len(hurt) > 0.9 * len(ended["rollback"].faults)
    assert all(fault.end_us - fault.start_us > fault_us(ended["rollback"]) for fault in hurt[:-10])


def fault_us(world: FleetWorld) -> int:
    return world.settings.fault_us


def test_the_drift_gives_every_kind_another_best_remedy() -> None:
    for seed in range(20):
        world = fleet(seed, drift_us=100 * S)
        for kind in range(world.settings.kinds):
            before, after = (world.remedies.best(kind, START + seconds * S) for seconds in (99, 100))
            assert before != after
            assert "rollback" not in {before, after}
            assert world.remedies.probability(kind, before, START) == pytest.approx(0.9)


def test_from_the_turn_on_the_best_remedy_of_a_kind_harms_it_and_only_it() -> None:
    world = fleet(turn_us=100 * S)
    for kind in range(world.settings.kinds):
        best = world.remedies.best(kind, START)
        for seconds, harms in ((99, {"rollback"}), (100, {"rollback", best})):
            now_us = START + seconds * S
            assert {name for name in world.settings.actions if world.remedies.harms(kind, name, now_us)} == harms
            assert (world.remedies.probability(kind, best, now_us) == 0) == (best in harms)


def test_honest_reports_say_what_happened() -> None:
    world = fleet(**CALM, **HONEST)
    states = Counter(outcome.state for outcome in answered(world, "restart", seconds=400))
    helped = sum(fault.remedy is not None for fault in world.faults)
    assert abs(states["succeeded"] - helped) <= 3
    assert abs(sum(states.values()) - len(world.faults)) <= 3


def test_reports_come_late_twice_wrong_or_never() -> None:
    def reports(**fields: float) -> list[Outcome]:
        return answered(fleet(**CALM, **(HONEST | fields)), "restart", seconds=400)

    honest = reports()
    state_of = {outcome.action: outcome.state for outcome in honest}
    assert reports(missing=1.0) == []
    assert 0.3 < len(reports(missing=0.5)) / len(honest) < 0.7
    twice = Counter(outcome.id for outcome in reports(duplicate=1.0))
    assert set(twice.values()) <= {1, 2}
    assert list(twice.values()).count(2) > 0.9 * len(twice)
    assert all(outcome.state != state_of[outcome.action] for outcome in reports(wrong=1.0))
    assert sorted(o.id for o in reports(delayed=1.0)) != sorted(o.id for o in honest)  # some are still to come


def test_entities_come_and_go_under_names_of_their_own() -> None:
    world = fleet(life_every_us=60 * S, gap_us=10 * S)
    spans: dict[str, list[int]] = {}
    for sample in live(world, 400):
        spans.setdefault(sample.entity, []).append(int(sample.time))  # type: ignore[arg-type]
    assert len(spans) > 2 * world.settings.entities
    assert all(times == list(range(times[0], times[-1] + S, S)) for times in spans.values())


def test_a_storm_strikes_many_at_once_with_one_kind() -> None:
    world = fleet(entities=40, fault_every_us=100_000 * S, storm_every_us=150 * S, storm=0.5, life_every_us=0)
    live(world, 600)
    struck = Counter((fault.start_us, fault.kind) for fault in world.faults)
    assert max(struck.values()) >= 10


@pytest.mark.parametrize(
    ("fields", "problem"),
    [({"actions": ("a", "b")}, "actions"), ({"baseline": (0.5, 0.2)}, "baseline"), ({"other": (0.0, 2.0)}, "other")],
)
def test_a_fleet_that_cannot_be_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        FleetSettings(**fields)
