"""What people order, other settings, and other models make of levels."""

from collections.abc import Callable

import msgspec
import pytest

from schemas.events import Control, Promotion
from schemas.ids import derive
from streams.loop.gate.orders import SCOPES_MAX
from streams.loop.gate.state import read_state
from tests.loop.gate_bench import HOUR, control
from tests.loop.levels_bench import ACTIONS, BAD, GOOD, LevelBench, acting, asked, harmful, reopened, told


def test_what_a_person_orders_holds_again_whatever_was_earned_or_lost() -> None:
    bench = acting()
    for _ in range(5):
        bench.run("recycle", BAD, end="failed")
    bench.give(msgspec.structs.replace(control("level", "*/recycle", "act"), time_us=bench.us))
    assert told(bench)[1:] == [("p-1/recycle", "approve", "act", "ordered")]
    assert bench.decide("recycle").level == "act"


@pytest.mark.parametrize("level", ["observe", "approve", "act"])
def test_an_order_for_any_pattern_raises_nothing_that_an_order_by_name_let_act_and_that_was_lowered_since(
    level: str,
) -> None:
    bench = asked()
    bench.give(ordered(bench, "p-1/recycle", "act"), ordered(bench, "p-2/recycle", "act"))
    while not bench.changes:
        bench.rounds(1, BAD, nothing=GOOD)
    assert told(bench) == [("p-1/recycle", "act", "approve", "harm")]
    bench.give(ordered(bench, "*/recycle", level))
    assert told(bench)[1:] == []
    assert bench.decide("recycle").level == "approve"
    assert bench.decide("recycle", pattern="p-2").level == "act"
    assert bench.decide("recycle", pattern="p-3").level == level
    bench.give(ordered(bench, "p-1/recycle", "act"))
    assert bench.decide("recycle").level == "act"


def ordered(bench: LevelBench, pair: str, level: str) -> Control:
    return msgspec.structs.replace(control("level", pair, level), id=derive(pair, level, bench.us), time_us=bench.us)


def test_what_was_earned_and_lost_outlives_a_restart() -> None:
    assert reopened(acting()).decide("recycle").level == "act"


def test_other_settings_end_what_was_earned() -> None:
    assert reopened(acting(), default="suggest").decide("recycle").level == "suggest"


def test_what_other_settings_ended_is_not_earned_again_by_going_back_to_the_former_ones() -> None:
    bench = reopened(reopened(acting(), default="suggest"), default="approve")
    assert bench.decide("recycle").level == "approve"
    assert [(*one, bench.changes[0].detail) for one in told(bench)] == [
        ("p-1/recycle", "act", "approve", "ordered", "other settings")
    ]


def other_parameters(bench: LevelBench) -> None:
    recycle = msgspec.structs.replace(ACTIONS["recycle"], parameters={"force": "yes"})
    bench.actions = ACTIONS | {"recycle": recycle}


def other_cost(bench: LevelBench) -> None:
    bench.actions = ACTIONS | {"recycle": msgspec.structs.replace(ACTIONS["recycle"], cost=0.6)}


def other_baseline(bench: LevelBench) -> None:
    bench.baseline = "wipe"


@pytest.mark.parametrize("change", [other_parameters, other_cost, other_baseline])
def test_an_action_that_is_another_one_now_must_earn_its_level_anew(change: Callable[[LevelBench], None]) -> None:
    bench = acting()
    change(bench)
    assert reopened(bench).decide("recycle").level == "approve"
    assert told(bench) == [("p-1/recycle", "act", "approve", "ordered")]


def test_outcomes_of_what_the_action_was_before_count_no_more() -> None:
    bench = asked(outcomes=30)
    bench.rounds(29, GOOD)
    other_parameters(bench)
    reopened(bench).rounds(29, GOOD)
    assert bench.changes == []


def test_what_can_no_longer_be_taken_back_no_longer_acts_by_itself() -> None:
    bench = acting()
    bench.actions = ACTIONS | {"recycle": msgspec.structs.replace(ACTIONS["recycle"], reversible=False)}
    assert reopened(bench).decide("recycle").level == "approve"


def test_other_settings_raise_nothing_that_was_lowered() -> None:
    assert reopened(harmful(), default="act").decide("recycle").level == "suggest"


def test_other_settings_raise_nothing_that_was_lowered_to_more_than_its_start() -> None:
    bench = LevelBench(episodes=1)
    bench.nothing(5)
    bench.decide("recycle")
    bench.rounds(40, GOOD)
    for _ in range(5):
        bench.run("recycle", BAD, end="failed")
    assert [one.level for one in bench.changes if one.action == "recycle"] == ["approve", "act", "approve"]
    assert reopened(bench, default="act").decide("recycle").level == "approve"


def test_an_order_that_finds_no_room_lifts_nothing() -> None:
    bench = harmful()
    state = read_state(bench.gate.snapshot())
    state.orders.times_us |= {f"pause/entity:x{n}": 0 for n in range(SCOPES_MAX)}
    bench.gate.restore(msgspec.msgpack.encode(state))
    bench.give(control("level", "p-1/recycle", "act"))
    assert bench.changes == []
    assert bench.decide("recycle").level == "suggest"


def promotion(decision: str) -> Promotion:
    values = {
        "id": derive("promotion", decision),
        "time_us": 0,
        "component": "policy",
        "version": "7",
        "decision": decision,
        "trained_up_to": (),
        "model": "",
    }
    return msgspec.convert(values, Promotion)


@pytest.mark.parametrize("decision", ["promote", "roll-back"])
def test_after_a_promotion_nothing_acts_by_itself_through_probation(decision: str) -> None:
    bench = acting(probation_us=HOUR)
    bench.give(promotion(decision), promotion(decision))
    (change,) = bench.changes
    assert (change.pattern, change.reason, change.until_us) == ("*", "promotion", bench.us + HOUR)
    assert bench.decide("recycle").level == "approve"
    bench.us += HOUR
    assert bench.decide("recycle").level == "act"


def test_a_promotion_that_was_put_off_changes_nothing() -> None:
    bench = acting()
    bench.give(promotion("hold"))
    assert bench.decide("recycle").level == "act"
