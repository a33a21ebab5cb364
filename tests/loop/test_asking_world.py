"""The loop learns when a person is worth asking: policy, gate and attribute, on episodes that a person sees through."""

from statistics import fmean

import pytest

from schemas.events import ASK, Experience, Proposal
from tests.loop.asking_world import AskingWorld

EPISODES, LAST = 300, 60
SEEDS = range(4)


def lived(*, harmful: float, ask_cost: float | None, seed: int) -> list[tuple[Proposal, Experience]]:
    world = AskingWorld(harmful=harmful, ask_cost=ask_cost, seed=seed)
    return [world.live(number) for number in range(EPISODES)]


def share_of(choice: str, story: list[tuple[Proposal, Experience]]) -> float:
    """Return the mean probability of a choice in the last episodes."""
    return fmean(one.probabilities.get(choice, 0.0) for one, _ in story[-LAST:])


def earned(story: list[tuple[Proposal, Experience]]) -> float:
    return fmean(one.reward or 0.0 for _, one in story[-LAST:])


@pytest.mark.parametrize("seed", SEEDS)
def test_it_learns_to_ask_where_a_person_knows_better(seed: int) -> None:
    """Half of the restarts harm: at once it earns 0.35, left alone 0.4, and what a person lets through 0.52."""
    story = lived(harmful=0.5, ask_cost=0.03, seed=seed)
    assert share_of(ASK, story) > 0.7
    assert earned(story) > earned(lived(harmful=0.5, ask_cost=None, seed=seed)) + 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_it_stops_asking_where_acting_is_as_good(seed: int) -> None:
    story = lived(harmful=0.0, ask_cost=0.03, seed=seed)
    assert any(one.asked for one, _ in story)
    assert share_of(ASK, story) < 0.1
    assert share_of("restart", story) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_it_stops_asking_where_a_look_costs_more_than_it_saves(seed: int) -> None:
    assert share_of(ASK, lived(harmful=0.5, ask_cost=0.4, seed=seed)) < 0.1


def test_a_person_who_is_asked_keeps_every_harm_away() -> None:
    story = lived(harmful=0.5, ask_cost=0.03, seed=0)
    answered = [one for proposal, one in story if proposal.asked]
    assert {one.verdict for one in answered} == {"allow", "deny"}
    assert {one.effective for one in answered if one.verdict == "deny"} == {"none"}
    assert min(one.reward or 0.0 for one in answered) > 0.2
    assert min(one.reward or 0.0 for proposal, one in story if proposal.action == "restart" and not proposal.asked) < 0
