"""Which settings the state of a role is bound to."""

from streams.app import state_settings
from streams.settings import Settings, parse

TEXT = '[loop]\nname = "x"\n[policy]\nbaseline = "restart"\n[actions.restart]\nlimit = "9/hour"\n'


def settings(more: str = "") -> Settings:
    return parse(TEXT + more, name="loop.toml")


def test_the_state_of_detect_is_bound_to_its_windows_but_not_to_its_thresholds() -> None:
    bound = state_settings(settings(), "detect")
    assert state_settings(settings('[detect]\nwindow = "5s"\n'), "detect") != bound
    assert state_settings(settings("[detect]\nforest_windows = 300\n"), "detect") != bound
    for free in (
        "false_alarms = '3/day'",
        "false_alarms_in_all = '9/day'",
        "p_floor = 0.02",
        "p_per_alarm = 1.0",
        "threshold = 4.0",
    ):
        assert state_settings(settings(f"[detect]\n{free}\n"), "detect") == bound


def test_the_state_of_the_gate_fits_any_limits() -> None:
    assert state_settings(settings(), "gate") == ""
