"""What executors make of orders: pauses, stops, and single actions that are cancelled."""

import pytest
from msgspec.structs import replace

from schemas.client.control import CANCELLED_LIMIT, SCOPES_LIMIT, ControlState
from schemas.events import Action, Control


def order(kind: str, target: str, value: str, time_us: int = 0) -> Control:
    return Control(id=f"{kind}-{target}-{value}", time_us=time_us, kind=kind, target=target, value=value, by="ada")  # type: ignore[arg-type]


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


STOPPED = "stopped by ada (loop) until re-armed"
PAUSED = "paused by ada (entity:web-1)"
LIFTED = [
    (order("pause", "loop", "running", 1), order("pause", "loop", "paused", 2), "paused by ada (loop)"),
    (order("rearm", "loop", "", 1), order("stop", "loop", "", 2), STOPPED),
]
STOPPING = [
    (order("stop", "loop", "", 1), order("rearm", "loop", "", 2), STOPPED),
    (order("pause", "entity:web-1", "paused", 1), order("pause", "entity:web-1", "running", 2), PAUSED),
]


@pytest.mark.parametrize(("old", "new", "why"), LIFTED)
def test_an_old_order_that_is_written_again_lifts_nothing(old: Control, new: Control, why: str) -> None:
    state = after(old, new)
    assert state.why_paused(0, action("a1")) == why
    state.fold(old)
    assert state.why_paused(0, action("a1")) == why
    state.fold(replace(old, time_us=new.time_us))
    assert state.why_paused(0, action("a1")) != why


@pytest.mark.parametrize(("stopping", "lifting", "why"), STOPPING)
def test_nobodys_clock_keeps_a_stop_out_and_what_lifted_the_last_one_lifts_it_no_more(
    stopping: Control, lifting: Control, why: str
) -> None:
    state = after(stopping, lifting)
    assert state.why_paused(0, action("a1")) is None
    state.fold(replace(stopping, id="by a clock that is behind", time_us=0))
    assert state.why_paused(0, action("a1")) == why
    state.fold(lifting)
    assert state.why_paused(0, action("a1")) == why
    state.fold(replace(lifting, time_us=lifting.time_us + 1))
    assert state.why_paused(0, action("a1")) is None


def test_orders_of_too_much_stop_the_loop_and_nothing_is_forgotten() -> None:
    paused = [order("pause", f"entity:e{number}", "paused", 1) for number in range(SCOPES_LIMIT - 1)]
    state = after(*paused)
    assert state.why_paused(0, action("a1")) is None
    state.fold(order("rearm", "entity:other", "", 1))
    assert state.why_paused(0, action("a1")) is None
    state.fold(order("pause", "entity:other", "paused", 1))
    assert state.why_paused(0, action("a1")) == "stopped by ada (loop) until re-armed"
    state.fold(order("rearm", "loop", "", 2))
    assert state.why_paused(0, action("a1")) is None
    assert state.why_paused(0, replace(action("a2"), entity="e0")) == "paused by ada (entity:e0)"
