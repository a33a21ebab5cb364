"""Why a log cannot tell, in words."""

import pytest

from streams.learners.support import Support
from streams.operate.refusals import refusal_of

ENOUGH = {"decisions": 500, "differs": 0.4, "effective": 80.0, "overall": 200.0, "uncovered": (0.0, 0.01)}
CASES = [
    ({"decisions": 12}, 1.0, "expected at least 20 decisions that have ended, got 12", "8 more decisions"),
    ({"decisions": 12}, 0.5, "the policy's model cannot be followed", "a run from its first decision on"),
    ({"uncovered": (0.02, 0.31)}, 1.0, "in 31% of the decisions it would end in restart", "which restart is eligible"),
    ({"effective": 4.0}, 1.0, "what it would do otherwise (40%) rests on 4.0 decisions' worth", "about 2,000 more"),
    ({"effective": 0.0}, 1.0, "rests on 0.0 decisions' worth", "more decisions with known rewards, or a larger floor"),
    ({"overall": 5.0}, 1.0, "all of it rests on 5.0 decisions' worth", "about 1,500 more"),
]


@pytest.mark.parametrize(("changed", "followed", "why", "remedy"), CASES)
def test_each_reason_has_its_remedy(changed: dict[str, float], followed: float, why: str, remedy: str) -> None:
    found = refusal_of(Support(**(ENOUGH | changed)), ("none", "restart"), followed=followed)
    assert found is not None
    assert why in found.why
    assert remedy in found.remedy


def test_what_the_log_can_tell_is_not_refused() -> None:
    assert refusal_of(Support(**ENOUGH), ("none", "restart"), followed=1.0) is None
    assert refusal_of(Support(**ENOUGH), ("none", "restart"), followed=0.6) is None
    alike = ENOUGH | {"differs": 0.005, "effective": 0.0}
    assert refusal_of(Support(**alike), ("none", "restart"), followed=1.0) is None
