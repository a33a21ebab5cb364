"""Who has confirmed an order, who is not heard any more, and what may still be running."""

from typing import Any

import msgspec
import pytest

from schemas.events import Action, Control, Event, Outcome, Presence
from streams.operate.confirming import Written, read_confirmation, read_held, under_other_settings
from streams.operate.status import LoopStatus, read_status
from tests.operate.test_in_flight import Log

S = 1_000_000
NOW_US = 1_000 * S
ORDER = Written(offset=1, time_us=NOW_US - 11 * S, target="loop", stops=True)
GO = msgspec.structs.replace(ORDER, stops=False)
CONTROL = [
    Control(id=value, time_us=time_us, kind="pause", target="loop", value=value, by="ada", reason="a test")
    for value, time_us in (("running", 0), ("paused", ORDER.time_us))
]
"""At offsets 0 and 1: the loop was paused 11 s ago."""


def said(instance: str, age_s: float = 1.0, **fields: Any) -> Presence:
    """Say something, a while ago: that all of control was heard, unless `fields` say otherwise."""
    time_us = NOW_US - int(age_s * S)
    values = {
        "id": f"{instance}-{time_us}", "time_us": time_us, "instance": instance, "role": instance.partition("/")[0],
        "version": "1", "pid": 1, "host": "h", "state": "paused", "control_heard_us": time_us, "control_offset": 2,
        "partitions": (0,),
    }  # fmt: skip
    return Presence(**(values | fields))


GATE = said("gate/1")
HEARD = said("executor/web/x-1")
FROZEN = said("executor/web/x-2", 60, state="running", control_offset=1)


def restart(entity: str, issued_s: float, name: str = "restart") -> Action:
    issued_us = NOW_US - int(issued_s * S)
    return Action(
        id=f"{name}-{entity}",
        time_us=issued_us,
        entity=entity,
        action=name,
        proposal="p",
        episode="e",
        pattern=f"pattern of {entity}",
        issued_us=issued_us,
        expires_us=issued_us + 9 * S,
        settings_hash="",
    )


def outcome(action: Action, state: str, age_s: float, executor: str = "x-1") -> Outcome:
    return Outcome(
        id=f"{action.id}-{state}-{executor}", time_us=NOW_US - int(age_s * S), action=action.id, entity=action.entity,
        group="web", executor=executor, state=state,  # type: ignore[arg-type]  # each test names a state of the contract
    )  # fmt: skip


def status_of(*events: Event) -> LoopStatus:
    return read_status(Log(*CONTROL, *events), loop="x", settings_hash="", now_us=NOW_US)  # type: ignore[arg-type]


WEB_3, WEB_4 = restart("web-3", 75), restart("web-4", 30)
ALL = "gate and 1 of 1 executors confirmed"
NOT_ALL = "gate and 1 of 2 executors confirmed"
LINES: list[tuple[list[Event], bool, str]] = [
    # what is on the topics, whether everything stands still, what is said
    ([GATE, HEARD], True, f"{ALL}; nothing running"),
    (
        [GATE, msgspec.structs.replace(HEARD, in_flight=("restart-web-3",)), WEB_3, outcome(WEB_3, "claimed", 12)],
        False,
        f"{ALL}; 1 still running: restart web-3, 12 s",
    ),
    (  # it said so before the action ended
        [GATE, msgspec.structs.replace(HEARD, in_flight=("restart-web-3",)), WEB_3, outcome(WEB_3, "claimed", 12),
         outcome(WEB_3, "failed", 0)],
        True,
        f"{ALL}; nothing running",
    ),
    (  # it has begun an action since it said something
        [GATE, HEARD, WEB_3, outcome(WEB_3, "claimed", 0)],
        False,
        f"{ALL}; 1 still running: restart web-3, 0 s",
    ),
    (  # another one's claim came first, and that one ended
        [GATE, HEARD, WEB_3, outcome(WEB_3, "claimed", 50, "x-9"), outcome(WEB_3, "claimed", 0),
         outcome(WEB_3, "succeeded", 0, "x-9")],
        True,
        f"{ALL}; nothing running",
    ),
    (
        [GATE, HEARD, msgspec.structs.replace(FROZEN, in_flight=("restart-web-3",)), WEB_3,
         outcome(WEB_3, "claimed", 72, "x-2")],
        False,
        f"{NOT_ALL}; nothing else running; web/x-2 not heard for 60 s: it may still run: restart web-3, 72 s",
    ),
    (  # the claim came after its last word: only outcomes tell of it
        [GATE, HEARD, FROZEN, WEB_4, outcome(WEB_4, "claimed", 30, "x-2")],
        False,
        f"{NOT_ALL}; nothing else running; web/x-2 not heard for 60 s: it may still run: restart web-4, 30 s",
    ),
    (  # it won the claim just after it had said that it holds nothing
        [GATE, HEARD, FROZEN, WEB_4, outcome(WEB_4, "claimed", 61, "x-2")],
        False,
        f"{NOT_ALL}; nothing else running; web/x-2 not heard for 60 s: it may still run: restart web-4, 61 s",
    ),
    (  # a person has looked
        [GATE, HEARD, msgspec.structs.replace(FROZEN, in_flight=("restart-web-3",)), WEB_3,
         outcome(WEB_3, "claimed", 72, "x-2"),
         Control(id="s", time_us=NOW_US, kind="settle", target="restart-web-3", value="failed", by="ada")],
        True,
        f"{NOT_ALL}; nothing running; web/x-2 not heard for 60 s: it holds no action",
    ),
    ([GATE, said("executor/web/x-2", control_offset=1, state="running")], False,
     "gate and 0 of 1 executors confirmed; nothing running; web/x-2 has not confirmed"),
    ([GATE, said("executor/web/x-2", control_offset=1, control_heard_us=NOW_US - 12 * S)], True,
     f"{ALL}; nothing running"),
    ([GATE, HEARD, said("executor/web/x-2", state="stopping")], True, f"{ALL}; nothing running"),
    ([GATE, HEARD, said("executor/web/x-2", 86_401)], True, f"{ALL}; nothing running"),
    ([said("gate/1", 60), HEARD], False,
     "gate NOT confirmed (gate/1 not heard for 60 s), 1 of 1 executors confirmed; nothing running"),
    ([said("gate/1", control_offset=1), HEARD], False,
     "gate NOT confirmed, 1 of 1 executors confirmed; nothing running"),
    ([said("gate/1", 60), said("gate/2"), HEARD], True, f"{ALL}; nothing running"),
    ([GATE, said("gate/2", control_offset=0, partitions=()), HEARD], True, f"{ALL}; nothing running"),
    ([HEARD], False, "gate NOT confirmed (no worker holds it), 1 of 1 executors confirmed; nothing running"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "stopped", "line"), LINES)
def test_a_pause_says_who_confirmed_who_is_not_heard_and_what_may_still_run(
    events: list[Event], stopped: bool, line: str
) -> None:
    status = status_of(*events)
    assert (status.stop_line(), status.stop_confirmed) == (line, stopped)
    found = read_confirmation(Log(*CONTROL, *events), ORDER, now_us=NOW_US)
    assert (f"{found.who()}; {found.running()}{found.missing()}", found.stopped) == (line, stopped)


def test_who_had_heard_the_pause_and_is_silent_now_confirms_it_no_more() -> None:
    parts = status_of(GATE, HEARD, said("executor/web/x-2", 60)).parts
    assert [(one.instance, one.confirms_stop) for one in parts] == [
        ("executor/web/x-1", True),
        ("executor/web/x-2", False),
        ("gate/1", True),
    ]


def test_silence_is_a_stop_only_once_it_must_have_been_noticed() -> None:
    log = Log(*CONTROL, GATE, HEARD, FROZEN)
    young = msgspec.structs.replace(ORDER, time_us=NOW_US - 9 * S)
    assert not read_confirmation(log, young, now_us=NOW_US).stopped
    assert read_confirmation(log, ORDER, now_us=NOW_US).stopped


def test_who_is_not_heard_or_hears_nothing_does_not_confirm_that_the_loop_goes_on() -> None:
    deaf = said("executor/web/x-2", control_offset=1, control_heard_us=NOW_US - 12 * S)
    assert read_confirmation(Log(*CONTROL, GATE, HEARD), GO, now_us=NOW_US).heard
    for other in (FROZEN, deaf):
        found = read_confirmation(Log(*CONTROL, GATE, HEARD, other), GO, now_us=NOW_US)
        assert (found.heard, found.gate_heard) == (False, True)
        assert found.who() == NOT_ALL


@pytest.mark.parametrize(
    ("target", "running"),
    [
        ("loop", "2 still running: restart web-4, 20 s and wipe web-3, 10 s"),
        ("action:restart", "1 still running: restart web-4, 20 s"),
        ("entity:web-3", "1 still running: wipe web-3, 10 s"),
        ("pattern:pattern of web-3", "1 still running: wipe web-3, 10 s"),
        ("entity:web-5", "nothing running"),
    ],
)
def test_an_order_about_a_target_tells_what_runs_of_that(target: str, running: str) -> None:
    wipe = restart("web-3", 20, "wipe")
    busy = msgspec.structs.replace(HEARD, in_flight=(WEB_4.id, wipe.id))
    log = Log(*CONTROL, GATE, busy, WEB_4, wipe, outcome(WEB_4, "claimed", 20), outcome(wipe, "claimed", 10))
    found = read_confirmation(log, msgspec.structs.replace(ORDER, target=target), now_us=NOW_US)
    assert (found.running(), found.stopped) == (running, running == "nothing running")


def test_what_the_topics_forgot_is_told_by_its_id_and_counts_for_every_target() -> None:
    busy = msgspec.structs.replace(HEARD, in_flight=("0f3c9a77deadbeef",))
    log = Log(*CONTROL, GATE, busy)
    found = read_confirmation(log, msgspec.structs.replace(ORDER, target="entity:web-3"), now_us=NOW_US)
    assert (found.running(), found.stopped) == ("1 still running: 0f3c9a77dead", False)
    assert [(one.action, one.executor) for one in read_held(log, now_us=NOW_US)] == [
        ("0f3c9a77deadbeef", "executor/web/x-1")
    ]


GHOST = said("executor/web/x-2", 10_800, state="running", control_offset=1)
"""Killed three hours ago; started again it has another name."""
BUSY = msgspec.structs.replace(GHOST, in_flight=("restart-web-3",))
NONE_YET = "nobody has confirmed, as no gate and no executor is there yet: who starts hears it first"
IS_BUSY = "web/x-2 not heard for 10800 s: it may still run: restart web-3, 72 s"
IS_SILENT = "web/x-2 not heard for 10800 s: it holds no action"
GATE_SILENT = "gate NOT confirmed (gate/1 not heard for 60 s)"
THERE: list[tuple[list[Event], bool, str]] = [
    # what is on the topics, whether all who are there have heard it, what is said
    ([], True, NONE_YET),
    ([said("gate/1", state="stopping"), said("executor/web/x-1", state="stopping"), said("detect/1")], True, NONE_YET),
    ([said("executor/web/x-2", 86_401)], True, NONE_YET),
    ([GATE, HEARD], True, ALL),
    ([GATE, HEARD, GHOST], True, f"{NOT_ALL}; {IS_SILENT}"),
    ([GATE, GHOST], True, f"gate and 0 of 1 executors confirmed; {IS_SILENT}"),
    ([GATE, HEARD, BUSY, WEB_3, outcome(WEB_3, "claimed", 72, "x-2")], False,
     f"{NOT_ALL}; {IS_BUSY}"),
    ([GATE, HEARD, said("executor/web/x-2", control_offset=1)], False, f"{NOT_ALL}; web/x-2 has not confirmed"),
    ([said("gate/1", 60), GHOST], True,
     f"{GATE_SILENT}, 0 of 1 executors confirmed; {IS_SILENT}; nobody is heard: who starts hears it first"),
    ([said("gate/1", 60), BUSY, WEB_3, outcome(WEB_3, "claimed", 72, "x-2")], False,
     f"{GATE_SILENT}, 0 of 1 executors confirmed; {IS_BUSY}"),
    ([said("gate/1", 60), HEARD], False, f"{GATE_SILENT}, 1 of 1 executors confirmed"),
    ([said("gate/1", control_offset=1), GHOST], False,
     f"gate NOT confirmed, 0 of 1 executors confirmed; {IS_SILENT}"),
    ([HEARD], False, "gate NOT confirmed (no worker holds it), 1 of 1 executors confirmed"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "heard", "line"), THERE)
def test_who_is_silent_and_holds_nothing_is_told_of_and_does_not_count(
    events: list[Event], heard: bool, line: str
) -> None:
    found = read_confirmation(Log(*CONTROL, *events), GO, now_us=NOW_US)
    assert (found.who_is_there(), found.heard_by_all_there) == (line, heard)


@pytest.mark.parametrize("events", [[GATE, HEARD, GHOST], [said("gate/1", 60), GHOST]])
def test_who_is_silent_is_waited_for_until_it_must_have_noticed_that_it_hears_nothing(events: list[Event]) -> None:
    young = msgspec.structs.replace(GO, time_us=NOW_US - 9 * S)
    assert not read_confirmation(Log(*CONTROL, *events), young, now_us=NOW_US).heard_by_all_there


def test_only_a_gate_that_is_heard_and_holds_a_partition_runs_under_other_settings() -> None:
    other = [
        said("gate/1", settings_hash="other"),
        said("gate/2", settings_hash="mine"),
        said("gate/3", settings_hash="other", partitions=()),
        said("gate/4", 60, settings_hash="other"),
        said("gate/5", settings_hash="other", state="stopping"),
        said("detect/1", settings_hash="other"),
    ]
    assert under_other_settings(Log(*other), "mine", now_us=NOW_US) == ["gate/1"]
