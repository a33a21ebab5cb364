"""What a recorded decision tells of the values that would have counted under other settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.loop.policy.values import MOST, OTHERS, values_of
from streams.replay.recorded_values import are_recorded, features_under

METRICS = [f"m{number:02d}" for number in range(14)]
NAMES = st.lists(st.sampled_from([OTHERS, *METRICS]), max_size=MOST + 3)
FEW = {"cpu": 70.0, "load": 2.0}
MANY = {name: float(number) for number, name in enumerate(METRICS)}


@given(state=st.sets(st.sampled_from(METRICS)), own=NAMES, names=NAMES)
def test_what_is_said_to_be_recorded_is_what_would_have_counted(
    state: set[str], own: list[str], names: list[str]
) -> None:
    values = {name: float(number) for number, name in enumerate(METRICS) if name in state}
    features = {"severity": 3.0} | values_of(values, own)
    if are_recorded(features, names, own=own):
        assert features_under(features, names) == {"severity": 3.0} | values_of(values, names)


@pytest.mark.parametrize(
    ("values", "own", "names", "expected"),
    [
        (FEW, ["*"], [], True),
        (FEW, ["*"], ["load", "gone", "*"], True),
        (FEW, ["load", "*"], ["*"], True),
        (FEW, ["load"], ["load"], True),
        (FEW, ["load"], ["cpu"], False),
        (FEW, ["load"], ["*"], False),
        (FEW, [], ["load"], False),
        ({}, ["*"], ["*", "load"], False),
        (MANY, ["*"], [], True),
        (MANY, ["*"], ["m05", "*"], True),
        (MANY, ["*"], ["m05", "m02"], True),
        (MANY, ["*"], ["m11", "*"], False),
        (MANY, ["*"], ["*", "m05"], False),
        (MANY, ["m11", "*"], ["*"], False),
        (MANY, ["m11", "*"], ["m11"], True),
        (MANY, ["*", "m13"], ["*"], False),
        (MANY, ["m02", "*"], ["m05", "*"], True),
    ],
)
def test_what_was_not_kept_is_known_to_be_missing(
    values: dict[str, float], own: list[str], names: list[str], expected: bool
) -> None:
    assert are_recorded(values_of(values, own), names, own=own) == expected


def test_what_is_no_value_stays() -> None:
    features = {"severity": 3.0, "z:load": 1.0, "other:load": 2.0, "value:disk:a": 4.0}
    assert features_under(features, []) == {"severity": 3.0, "z:load": 1.0}
    assert features_under(features, ["load", "*"]) == {
        "severity": 3.0,
        "z:load": 1.0,
        "value:load": 2.0,
        "other:disk:a": 4.0,
    }
