"""Which action an episode was for, and runs until it is known what came of them."""

import pytest

from streams.loop.gate.runs import chosen_by_loop
from tests.loop.gate_bench import proposal

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
