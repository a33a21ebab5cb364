"""What is heard twice, late, early or with a wrong clock of the lives that the policy follows."""

from typing import Any

import msgspec
import pytest

from schemas.events import NONE, Verdict
from tests.loop.decided import outcome, proposal, verdict
from tests.loop.plant import Plant, by_hand, done, in_hours, learned, row, window

HELD_OUT = {"loop": 0.0, "baseline": 0.0, "none": 1.0}


def asked(**given: Any) -> tuple[Plant, Verdict]:
    """Return a plant that asked for a replacement, and the answer that allows it."""
    plant = learned(**given)
    while not plant.proposals:
        row(plant)
    return plant, in_hours(verdict(plant.proposals[-1], "allow"), plant.hour + 0.1)


def failed(plant: Plant) -> int:
    """Return how many lives ended by themselves, as the next proposal would say."""
    if not any(one.action != NONE for one in plant.proposals):
        plant.live(answer="deny")
    return int(plant.proposals[-1].model.removeprefix("lives/"))


def test_an_executor_whose_clock_is_ahead_ends_nothing_later_than_now() -> None:
    plant, given = asked()
    plant.fold(given, hour=plant.hour + 0.1)
    plant.fold(done(given, "succeeded", plant.hour + 10_000), hour=plant.hour + 0.2)
    plant.proposals.clear()
    assert not plant.live()[1]
    assert plant.proposals[0].features["age_h"] < 140


@pytest.mark.parametrize("again", ["verdict", "end", "another end"])
def test_what_is_told_again_after_the_end_changes_nothing(again: str) -> None:
    plant, given = asked()
    end = done(given, "succeeded", plant.hour + 0.2)
    plant.fold(given, hour=plant.hour + 0.1)
    plant.fold(end, hour=plant.hour + 0.2)
    before = plant.policy.snapshot()
    told = {"verdict": given, "end": end, "another end": done(given, "failed", plant.hour + 0.2)}
    plant.fold(told[again], hour=plant.hour + 0.3)
    assert plant.policy.snapshot() == before


def test_of_another_action_neither_verdict_nor_end_is_kept() -> None:
    """An end that came early waits for its verdict, whatever else ends meanwhile."""
    plant, given = asked()
    other = proposal("restart", "e7", "pump-1")
    restarted = in_hours(verdict(other, "allow"), plant.hour + 0.1)
    plant.fold(done(given, "succeeded", plant.hour + 0.2), hour=plant.hour + 0.2)
    plant.fold(restarted, outcome(restarted, "succeeded", 0.0), given, hour=plant.hour + 0.3)
    plant.proposals.clear()
    ended = plant.hour
    while not plant.proposals:
        row(plant)
    assert plant.proposals[0].features["age_h"] < plant.hour - ended


@pytest.mark.parametrize("held_out", [False, True])
def test_an_end_that_never_came_leaves_the_life_in_doubt_whatever_its_arm(held_out: bool) -> None:
    plant = learned(hold_out=HELD_OUT if held_out else None)
    for _ in range(30):
        row(plant)
    plant.fold(in_hours(verdict(by_hand(plant), "allow"), plant.hour + 0.1), hour=plant.hour + 0.1)
    plant.proposals.clear()
    assert plant.live(answer="deny")[1]
    assert failed(plant) == 6


def test_an_end_that_never_came_leaves_in_doubt_a_life_that_fails_next() -> None:
    plant, given = asked()
    plant.fold(given, hour=plant.hour + 0.1)
    plant.hour += 1
    plant.fold(window(plant.hour, {"wear": 20.0, "failed": 1.0}))
    plant.proposals.clear()
    assert failed(plant) == 6


def test_a_failure_while_it_is_under_way_is_learned_and_what_ends_then_is_the_repair() -> None:
    plant, given = asked()
    plant.fold(given, hour=plant.hour + 0.1)
    plant.fold(window(plant.hour + 0.15, {"wear": 20.0, "failed": 1.0}), hour=plant.hour + 0.2)
    row(plant)
    plant.fold(done(given, "succeeded", plant.hour + 0.1), hour=plant.hour + 0.1)
    plant.proposals.clear()
    assert failed(plant) == 7


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_failure_in_either_summary_of_a_window_counts_once(first: float) -> None:
    plant = learned()
    for _ in range(30):
        row(plant)
    plant.hour += 1
    for value in (first, 1.0 - first):
        plant.fold(window(plant.hour, {"wear": 19.0, "failed": value}))
    plant.proposals.clear()
    assert failed(plant) == 7


def test_a_failure_in_the_second_summary_of_a_life_s_first_window_makes_no_life() -> None:
    plant = learned()
    row(plant)
    plant.fold(window(plant.hour, {"wear": 19.0, "failed": 1.0}))
    assert failed(plant) == 6


@pytest.mark.parametrize(("days", "known"), [(6, 7), (8, 6)])
def test_of_a_life_with_a_long_silence_nothing_is_learned(days: int, known: int) -> None:
    plant = learned()
    for _ in range(20):
        row(plant)
    plant.hour += 24 * days
    row(plant)
    plant.hour += 1
    plant.fold(window(plant.hour, {"wear": 20.0, "failed": 1.0}))
    plant.proposals.clear()
    assert failed(plant) == known


def test_a_silence_between_two_lives_is_the_repair() -> None:
    plant = learned()
    plant.hour += 24 * 8
    assert plant.live(answer="deny")[1]
    plant.proposals.clear()
    assert failed(plant) == 7


def test_a_proposal_says_the_group_of_its_entity() -> None:
    plant = learned()
    while not plant.proposals:
        plant.hour += 1
        values = {"wear": 12.0 + 0.1 * (plant.hour % 120), "failed": 0.0}
        plant.fold(msgspec.structs.replace(window(plant.hour, values), group="pumps"))
    assert plant.proposals[0].group == "pumps"
