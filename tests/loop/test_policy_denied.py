"""What was denied without a time by what ends by itself is proposed again: when that is told, or every 30 seconds."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Action, Census
from streams.loop.actions import ActionSettings
from streams.loop.denials import TOLD, UNTOLD, may_ask_again
from streams.loop.gate import GateSettings
from streams.loop.gate.table import BY_NAME
from tests.loop.decided import START, S, at, experience, proposal, recorded, recurrence, verdict
from tests.loop.gate_bench import control, opened
from tests.loop.test_gate_levels_patterns import merged
from tests.loop.test_policy_pauses import Loop, policy

OFTEN = {"restart": ActionSettings(name="restart", limit="100/hour")}
FOR_GOOD = ("settings", "declared", "protected", "guards", "duplicate", "episode")


def loop_of(**gate: Any) -> Loop:
    loop = Loop(gate=GateSettings(**gate), actions=OFTEN)
    loop.seconds = 1
    return loop


def count(loop: Loop, *, live: int, abnormal: int) -> None:
    """Tell how the fleet is."""
    us = at(loop.seconds).us
    loop.give(Census(id=f"census-{us}", time_us=us, partition=0, group="", live=live, abnormal=abnormal))


def rearm(loop: Loop, target: str) -> None:
    loop.give(replace(control("rearm", target, ""), id=f"rearm-{loop.seconds}", time_us=at(loop.seconds).us))
    loop.wait(loop.seconds + 1)


@pytest.mark.parametrize("again", range(6))
def test_what_was_under_way_when_a_storm_began_is_acted_on_after_a_rearm(again: int) -> None:
    loop = loop_of(abnormal_least=3, census_age_us=10 * S)
    loop.slow = True
    loop.open("web-1", "web-2")
    for _ in range(again):  # a repeated storm costs none of its attempts
        count(loop, live=10, abnormal=8)
        loop.deliver()
        loop.wait(loop.seconds + 20)
        rearm(loop, "loop")
        loop.wait(loop.seconds + 3)
    loop.slow = False
    loop.deliver()
    loop.wait(loop.seconds + 3)
    assert set(loop.denied()) == ({"abnormal"} if again else set())
    assert sorted(loop.acted_on()) == ["web-1", "web-2"]


def test_and_when_an_action_failed_too_often() -> None:
    loop = loop_of(failed_least=2, failed_window_us=30 * S)
    loop.ends = "failed"
    loop.slow = True
    loop.open("web-1", "web-2", "web-3", "web-4")
    loop.deliver()
    assert loop.denied() == ["failures", "failures"]
    loop.slow, loop.ends = False, "succeeded"
    loop.wait(100)
    assert loop.acted_on() == ["web-1", "web-2"]
    rearm(loop, "action:restart")
    loop.wait(110)
    assert loop.acted_on() == ["web-1", "web-2", "web-3", "web-4"]


def test_of_a_burst_those_that_found_no_place_are_acted_on_as_places_are_free() -> None:
    loop = loop_of(concurrency=2)
    loop.lasts = 5.0
    loop.slow = True
    entities = [f"web-{n}" for n in range(6)]
    loop.open(*entities)
    loop.deliver()
    loop.slow = False
    assert loop.denied() == ["concurrency"] * 4
    loop.wait(60)
    assert loop.acted_on() == entities
    assert loop.denied() == ["concurrency"] * 4


def test_where_too_few_are_healthy_it_is_tried_every_half_a_minute_until_the_episode_ends() -> None:
    loop = loop_of(healthy_least=3, census_age_us=10_000 * S)
    count(loop, live=5, abnormal=0)
    loop.order("loop", "paused")
    loop.open("web-1", "web-2", "web-3")
    loop.seconds = 9
    loop.order("loop", "running")
    assert loop.denied() == ["healthy"] * 3
    loop.wait(200)
    assert {one.time_us - START for one in loop.proposed()} == {n * S for n in (9, 39, 69, 99, 129, 159, 189)}
    loop.close("web-1")
    loop.wait(220)
    assert loop.acted_on() == ["web-2", "web-3"]
    assert len([one for one in loop.proposed() if one.entity == "web-1"]) == 7


@pytest.mark.parametrize("check", FOR_GOOD)
def test_what_only_other_settings_or_another_proposal_mend_is_not_proposed_again(check: str) -> None:
    processor = policy()
    (one,) = processor.on_batch(recorded(recurrence("e1")), at(0))
    denied = verdict(one, "deny", 1, decided_by=check)  # type: ignore[arg-type]  # it proposes
    processor.on_batch(recorded(denied, experience(one, "censored", None), first=1), at(1))  # type: ignore[arg-type]
    assert processor.next_time() is None


def test_the_checks_are_those_of_the_gate() -> None:
    assert not TOLD & UNTOLD
    for check in BY_NAME:
        spared = check in TOLD | UNTOLD
        assert may_ask_again(verdict(proposal(), "deny", decided_by=check)) == spared
        assert may_ask_again(verdict(proposal(), "deny", decided_by=check, retry_after_us=START))
        assert not may_ask_again(verdict(proposal(), "escalate", decided_by=check))
    assert {*TOLD, *UNTOLD} <= {*BY_NAME} - {*FOR_GOOD, "expiry"}


@pytest.mark.parametrize("denied", [False, True])
def test_what_waits_is_proposed_as_what_its_pattern_was_merged_into(*, denied: bool) -> None:
    loop = loop_of()
    loop.slow = denied
    loop.order("pattern:p-1", "running" if denied else "paused")
    loop.open("web-1")
    if denied:
        loop.order("pattern:p-1", "paused")
    loop.seconds = 5
    loop.give(merged("p-1", "p-2"), merged("p-2", "p-3"))
    loop.give(replace(opened("web-2"), time_us=at(5).us), recurrence("episode-web-2", "web-2", pattern="p-4"))
    loop.deliver()
    loop.slow = False
    loop.order("pattern:p-1", "running")
    loop.wait(12)
    patterns = {event.entity: event.pattern for event in loop.outputs if isinstance(event, Action)}
    assert patterns == {"web-1": "p-3", "web-2": "p-4"}
