"""What executors make of orders: pauses, stops, and single actions that are cancelled."""

from schemas.client.control import CANCELLED_LIMIT, ControlState
from schemas.events import Action, Control


def order(kind: str, target: str, value: str) -> Control:
    return Control(id=f"{kind}-{target}-{value}", time_us=0, kind=kind, target=target, value=value, by="ada")  # type: ignore[arg-type]


def action(name: str) -> Action:
    return Action(
        id=name,
        time_us=0,
        entity="web-1",
        action="restart",
        proposal="p",
        episode="e",
        pattern="p-1",
        issued_us=0,
        expires_us=9,
        settings_hash="",
    )


def after(*orders: Control) -> ControlState:
    state = ControlState()
    for one in (order("pause", "loop", "running"), *orders):
        state.fold(one)
    return state


def test_a_cancelled_action_must_not_start_and_others_may() -> None:
    state = after(order("cancel", "a1", "cancelled"))
    assert state.why_paused(0, action("a1")) == "cancelled by ada"
    assert state.why_paused(0, action("a2")) is None
    assert state.why_paused(0) is None


def test_of_very_many_cancelled_actions_the_latest_are_remembered() -> None:
    state = after(*(order("cancel", f"a{number}", "cancelled") for number in range(CANCELLED_LIMIT + 1)))
    assert state.why_paused(0, action("a0")) is None
    assert state.why_paused(0, action("a1")) == "cancelled by ada"
    assert state.why_paused(0, action(f"a{CANCELLED_LIMIT}")) == "cancelled by ada"


def test_a_stop_outlasts_a_resume_and_names_who_ordered_it() -> None:
    state = after(order("stop", "action:restart", "stopped"), order("pause", "action:restart", "running"))
    assert state.why_paused(0, action("a1")) == "stopped by ada (action:restart) until re-armed"
    state.fold(order("rearm", "action:restart", "rearmed"))
    assert state.why_paused(0, action("a1")) is None
