"""The choices of a loop of which some actions were held back: made again, and as columns."""

import pytest

from schemas.events import Experience, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.runs import chosen_by_loop
from streams.loop.policy import PolicySettings
from streams.replay.logged_decisions import frozen_since, procedure
from streams.replay.policy_again import Chooser, choose_again
from tests.loop.decided import ACTIONS
from tests.loop.held_back import Run, policy

OWN = Chooser(policy=PolicySettings(), actions=ACTIONS)


@pytest.fixture(scope="module")
def run() -> Run:
    """Return a run in which restart, the baseline, and recycle are held back."""
    run = Run(policy(), "recycle", "restart")
    run.live(80)
    return run


def again(run: Run, other: Chooser) -> dict[str, dict[str, float]]:
    told = [event for event in run.events if isinstance(event, Experience)]
    return choose_again(run.proposals, told, own=OWN, other=other, wanted={one.id for one in run.proposals})


def test_every_choice_is_told_again_as_it_was(run: Run) -> None:
    assert again(run, OWN) == {one.id: pytest.approx(one.probabilities) for one in run.proposals}
    assert sum(one.probabilities.get("restart") == 0.0 for one in run.proposals) > 60
    assert any(one.wanted for one in run.proposals)


def test_other_settings_leave_out_the_same(run: Run) -> None:
    even = again(run, Chooser(policy=PolicySettings(floor=1.0), actions=ACTIONS))
    last = run.proposals[-1]
    assert last.blocked == ("level:recycle", "level:restart")
    assert even[last.id] == {"none": 0.5, "restart": 0.0, "shed": 0.5}
    more = ACTIONS | {"drain": ActionSettings(name="drain")}
    assert again(run, Chooser(policy=PolicySettings(floor=1.0), actions=more))[last.id]["drain"] == pytest.approx(1 / 3)
    fewer = {name: ACTIONS[name] for name in ("restart", "recycle")}
    asking = Chooser(policy=PolicySettings(ask_cost=0.1), actions=fewer)
    assert again(run, asking)[last.id] == {"none": 1.0, "restart": 0.0}


def test_the_logged_propensity_is_that_of_the_whole_procedure(run: Run) -> None:
    assert frozen_since(run.proposals, "restart") == 0
    for one in run.proposals:
        assert procedure(one, "restart")[one.action] == pytest.approx(one.propensity)
        assert sum(procedure(one, "restart").values()) == pytest.approx(1.0)
    baseline: list[Proposal] = [one for one in run.proposals[20:] if one.action == "restart"]
    assert {(one.propensity, one.probabilities["restart"]) for one in baseline} == {(0.2, 0.0)}


def test_what_the_loop_would_have_chosen_in_a_hold_out_is_never_what_it_left_out(run: Run) -> None:
    held_out = [one for one in run.proposals[20:] if one.hold_out is not None and one.hold_out.arm != "loop"]
    assert {chosen_by_loop(one) for one in held_out} == {"none", "shed"}
