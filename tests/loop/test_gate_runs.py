"""Which action an episode was for, and runs until it is known what came of them."""

import pytest

from streams.loop.gate.runs import chosen_by_loop
from tests.loop.gate_bench import proposal
from tests.loop.levels_bench import BAD, GOOD, asked, told

SHARES = {"recycle": 0.7, "restart": 0.2, "none": 0.1}


def held_out(arm: str) -> dict[str, object]:
    return {"draw": 0.5, "arm": arm, "shares": {"loop": 0.6, "baseline": 0.2, "none": 0.2}}


def test_outside_of_hold_outs_the_loop_chose_what_it_proposed() -> None:
    for hold_out in (None, held_out("loop")):
        assert chosen_by_loop(proposal("q", action="restart", probabilities=SHARES, hold_out=hold_out)) == "restart"


@pytest.mark.parametrize("arm", ["none", "baseline"])
def test_in_a_hold_out_it_would_have_chosen_each_action_as_often_as_it_says(arm: str) -> None:
    drawn = [
        chosen_by_loop(proposal(f"q{n}", action="none", probabilities=SHARES, hold_out=held_out(arm)))
        for n in range(2_000)
    ]
    for name, share in SHARES.items():
        assert drawn.count(name) / len(drawn) == pytest.approx(share, abs=0.03)


def test_probabilities_that_are_none_choose_nothing() -> None:
    assert chosen_by_loop(proposal("q", action="none", probabilities={}, hold_out=held_out("none"))) == ""


def test_what_is_decided_again_without_what_was_refused_was_chosen_for_cases_that_a_limit_picked() -> None:
    for blocked, chosen in ((("refused:recycle",), ""), (("action:recycle", "level:wipe"), "restart")):
        assert chosen_by_loop(proposal("q", action="restart", probabilities=SHARES, blocked=blocked)) == chosen


@pytest.mark.parametrize("reward", [GOOD, BAD])
def test_such_runs_are_held_against_nothing_but_count_as_runs(reward: float) -> None:
    bench = asked()
    for _ in range(60):
        bench.run("recycle", reward, blocked=("refused:restart",))
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.nothing(1, 0.6 if reward == BAD else 0.0)
    assert told(bench) == []
    bench.rounds(40, GOOD)
    assert told(bench)[0] == ("p-1/recycle", "approve", "act", "earned")
    assert bench.changes[0].outcomes > 60
