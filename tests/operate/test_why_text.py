from typing import Any

import msgspec
import pytest

from schemas.events import HoldOut, Why
from streams.operate.story_text import text_of
from streams.operate.why_text import why_text
from tests.loop.decided import SHARES, experience, proposal

GIVEN: dict[str, Any] = {
    "mode": "best",
    "runner_up": "scale-up",
    "expected": 0.62,
    "runner_up_expected": 0.41,
    "spread": 0.1,
    "parts": {
        "mean:latency": 0.18,
        "constant": -0.14,
        "trend": -0.004,
        "pattern": 0.06,
        "severity": -0.03,
        "cost": -0.05,
    },
}
PARTS = "; for it: mean:latency +0.18, pattern +0.06; against it: on average -0.14, cost -0.05, severity -0.03"


def said(arm: str = "loop", **fields: Any) -> str:
    given = {name: value for name, value in (GIVEN | fields).items() if value is not None}
    hold_out = HoldOut(draw=0.1, arm=arm, shares=SHARES)  # type: ignore[arg-type]  # arms of the contract
    return why_text(proposal("restart", why=Why(**given), hold_out=hold_out))


SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({}, f"the best known: restart over scale-up by 0.21 (0.62 expected, not 0.41; 2.1 sd apart){PARTS}"),
    (
        {"expected": 0.4, "parts": {}},
        "given the benefit of the doubt: restart under scale-up by 0.01 (0.40 expected, not 0.41; 0.1 sd apart)",
    ),
    (
        {"mode": "explored", "expected": 0.11, "parts": {"cost": -0.3}, "spread": 0.0},
        "tried, not the best known: restart under scale-up by 0.30 (0.11 expected, not 0.41); against it: cost -0.30",
    ),
    (
        {"mode": "explored", "parts": {}},
        "tried, not the likeliest: restart over scale-up by 0.21 (0.62 expected, not 0.41; 2.1 sd apart)",
    ),
    (
        {"mode": "explored", "expected": 0.41, "parts": {}, "spread": 0.0},
        "tried, not the likeliest: restart like scale-up (0.41 expected, not 0.41)",
    ),
    (
        {"mode": "held-out", "arm": "baseline", "parts": {}},
        "held out, the baseline's arm: restart over scale-up by 0.21 (0.62 expected, not 0.41; 2.1 sd apart)",
    ),
    (
        {"runner_up": None, "runner_up_expected": None, "parts": {}},
        "the best known: nothing else was eligible, 0.62 expected",
    ),
    (
        {"expected": None, "runner_up_expected": None, "spread": None, "parts": {}, "runner_up": "none"},
        "by the rule on lives, over none",
    ),
    (
        {
            "mode": "held-out",
            "arm": "none",
            "expected": None,
            "runner_up_expected": None,
            "spread": None,
            "parts": {},
            "runner_up": "replace",
        },
        "held out, the arm that does nothing, over replace",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), SENTENCES)
def test_it_is_a_sentence_that_a_person_can_follow(fields: dict[str, Any], sentence: str) -> None:
    assert said(**fields) == sentence


def test_the_best_known_is_one_that_no_other_eligible_action_can_be_better_than() -> None:
    """Of a third action the mean is not told: it may be higher, and the action less likely all the same."""
    two = proposal("restart", why=Why(**GIVEN))
    three = msgspec.structs.replace(two, probabilities={"restart": 0.7, "scale-up": 0.2, "none": 0.1})
    assert why_text(two).startswith("the best known: restart over scale-up")
    assert why_text(three).startswith("the likeliest: restart over scale-up")


def test_the_story_tells_it_with_the_chances_and_the_features() -> None:
    text = text_of(proposal("restart", why=Why(**GIVEN)), [])
    assert text.startswith("proposed restart (propensity 0.400 of restart 1.00; arm loop); the best known: restart")
    assert text.endswith("; ridge/0 on severity 0.50, strength 0.40, trend 0.10")


def test_that_a_person_is_asked_by_choice_is_said_with_what_asking_is_held_against() -> None:
    why = Why(mode="best", runner_up="restart", expected=0.62, runner_up_expected=0.41, spread=0.1)
    one = proposal("restart", asked=True, probabilities={"ask": 0.7, "restart": 0.2, "none": 0.1}, why=why)
    text = text_of(one, [])
    assert text.startswith(
        "chose to ask a person about restart (propensity 0.400 of ask 0.70, restart 0.20, none 0.10;"
    )
    assert "; the likeliest: ask over restart by 0.21 (0.62 expected, not 0.41; 2.1 sd apart); " in text
    told = experience(one, reward=0.4, asked=True, effective="none", cost=0.05, look_cost=0.05)
    assert text_of(told, []).startswith(
        "learned (observed): a person was asked by choice, nothing was done, reward 0.40, cost 0.05"
    )


def test_what_a_level_keeps_back_is_said_with_what_would_have_been_drawn() -> None:
    chances = {"none": 0.2, "restart": 0.8, "scale-up": 0.0}
    one = proposal("restart", probabilities=chances, blocked=("level:failover",), wanted="failover", why=Why(**GIVEN))
    assert text_of(one, []).startswith(
        "proposed restart (propensity 0.400 of restart 0.80, none 0.20, scale-up 0.00; arm loop; "
        "blocked: level:failover); would have drawn failover, which its level keeps back; the best known: restart over"
    )


def test_of_proposals_that_do_not_say_why_the_rest_is_told() -> None:
    assert text_of(proposal("restart"), []) == (
        "proposed restart (propensity 0.400 of restart 1.00; arm loop); "
        "ridge/0 on severity 0.50, strength 0.40, trend 0.10"
    )


def test_a_person_says_why() -> None:
    assert text_of(proposal("restart", by="ann"), []) == "ann proposed restart on web-1"
    assert text_of(proposal("restart", by="ann", reason="it hangs"), []) == "ann proposed restart on web-1: it hangs"
