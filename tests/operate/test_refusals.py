"""Why a log cannot tell, in words."""

import pytest

from streams.learners.support import Support
from streams.operate.refusals import refusal_of

ENOUGH = {
    "decisions": 500,
    "differs": 0.4,
    "effective": 80.0,
    "overall": 200.0,
    "uncovered": (0.0, 0.01),
    "rewards": 400,
    "entities": 40.0,
}
CASES = [
    ({"decisions": 12}, 12, "expected at least 20 decisions that have ended, got 12", "8 more decisions"),
    ({"decisions": 12}, 24, "the policy's model cannot be followed", "a run from its first decision on"),
    ({"uncovered": (0.02, 0.31)}, 500, "in 31% of the decisions it would end in restart", "which restart is eligible"),
    ({"effective": 4.0}, 500, "what it would do otherwise (40%) rests on 4.0 decisions' worth", "about 2,000 more"),
    ({"effective": 0.0}, 500, "rests on 0.0 decisions' worth", "more decisions with known rewards, or a larger floor"),
    ({"rewards": 0, "uncovered": (0.4, 0.6)}, 500, "no reward is known of any of the 500 decisions", "measuring"),
    ({"entities": 3.0}, 500, "its rewards are 3.0 entities' worth, expected at least 10", "more entities"),
    ({"overall": 5.0}, 500, "all of it rests on 5.0 decisions' worth", "about 1,500 more"),
]


@pytest.mark.parametrize(("changed", "met", "why", "remedy"), CASES)
def test_each_reason_has_its_remedy(changed: dict[str, float], met: int, why: str, remedy: str) -> None:
    found = refusal_of(Support(**(ENOUGH | changed)), ("none", "restart"), met=met)
    assert found is not None
    assert why in found.why
    assert remedy in found.remedy


def test_what_the_log_can_tell_is_not_refused() -> None:
    assert refusal_of(Support(**ENOUGH), ("none", "restart"), met=500) is None
    assert refusal_of(Support(**ENOUGH), ("none", "restart"), met=800) is None
    alike = ENOUGH | {"differs": 0.005, "effective": 0.0}
    assert refusal_of(Support(**alike), ("none", "restart"), met=500) is None


def test_a_lack_that_another_baseline_explains_says_so() -> None:
    found = refusal_of(Support(**(ENOUGH | {"decisions": 3})), ("none", "restart"), met=3, before=200)
    assert found is not None
    assert found.why.startswith("200 decisions were made under another baseline")
    assert found.remedy == "give the loop.toml of the run as --config; or 17 more decisions"
