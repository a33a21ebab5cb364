"""Levels are earned step by step, by what outcomes prove, and lost at once."""

import msgspec
import pytest

from schemas.events import Pattern, Promotion
from schemas.ids import derive
from tests.loop.gate_bench import HOUR, SECOND, control
from tests.loop.levels_bench import ACTIONS, BAD, GOOD, LevelBench


def told(bench: LevelBench) -> list[tuple[str, str, str, str]]:
    return [(f"{one.pattern}/{one.action}", one.was, one.level, one.reason) for one in bench.changes]


def asked(**levels: object) -> LevelBench:
    """Return a gate at which recycle and restart begin at approve."""
    return LevelBench(default="approve", **levels)


def acting(**levels: object) -> LevelBench:
    """Return a gate at which recycle has earned to act."""
    bench = asked(**levels)
    bench.rounds(40, GOOD)
    assert told(bench)[0] == ("p-1/recycle", "approve", "act", "earned")
    bench.changes.clear()
    return bench


def test_a_pair_climbs_from_observe_to_approve_by_episodes_in_which_it_was_wanted() -> None:
    bench = LevelBench(default="observe", episodes=3)
    bench.nothing(5)
    for _ in range(3):
        assert bench.decide("recycle").verdict == "shadow"
    assert told(bench) == [("p-1/recycle", "observe", "suggest", "decided")]
    for _ in range(3):
        assert bench.decide("recycle").level == "suggest"
    assert told(bench)[1:] == [("p-1/recycle", "suggest", "approve", "decided")]
    assert [one.decided for one in bench.changes] == [3, 3]
    assert bench.decide("recycle").approvals != ()


THIN: list[tuple[dict[str, object], float, int, str]] = [
    # settings, what doing nothing earns, how often it is known, what is said
    ({}, 0.0, 1, "1 outcomes of doing nothing are known, at least 2 must be; policy.hold_out brings them"),
    ({}, 1.0, 5, "doing nothing earns 1.00 already: there is nothing to gain"),
    ({"earn_within_us": 300 * SECOND}, 0.0, 5, "10 outcomes, one in "),
]


@pytest.mark.parametrize(("settings", "nothing", "times", "says"), THIN)
def test_where_outcomes_are_too_thin_nothing_is_raised_above_suggest_and_it_says_why_once(
    settings: dict[str, object], nothing: float, times: int, says: str
) -> None:
    bench = LevelBench(episodes=3, **settings)
    bench.nothing(times, nothing)
    for _ in range(9):
        assert bench.decide("recycle").level == "suggest"
    assert told(bench) == [("p-1/recycle", "suggest", "suggest", "sparse")]
    assert bench.changes[0].detail.startswith(says)


def test_where_nothing_could_be_measured_nothing_is_raised_either() -> None:
    bench = LevelBench(episodes=3)
    bench.nothing(2)
    for _ in range(9):
        bench.learn(bench.decide("none"), None, state="unobservable")
    for _ in range(3):
        bench.decide("recycle")
    assert bench.changes[0].detail == "of 82% of 11 decisions nothing could be measured"


def test_what_earns_more_than_nothing_and_the_baseline_acts_by_itself_and_tells_its_numbers() -> None:
    bench = asked()
    bench.rounds(40, GOOD)
    change = bench.changes[0]
    assert told(bench) == [("p-1/recycle", "approve", "act", "earned")]
    assert 10 <= change.outcomes < 40
    assert change.reward == pytest.approx(GOOD)
    assert change.effect == pytest.approx(GOOD)
    assert change.compared == "none"
    assert change.effect_low is not None
    assert change.effect_low > 0
    assert bench.decide("recycle").level == "act"


NEVER: list[tuple[str, float, float, dict[str, object]]] = [
    # what, its reward, what doing nothing earns, settings
    ("it earns no more than doing nothing", 0.3, 0.3, {}),
    ("it harms", BAD, 0.0, {}),
    ("it earns less than was asked", 0.3, 0.0, {"effect": 0.4}),
    ("no level is to be raised", GOOD, 0.0, {"raise": "never"}),
    ("it has not run often enough", GOOD, 0.0, {"outcomes": 100}),
]


@pytest.mark.parametrize(("_what", "reward", "nothing", "settings"), NEVER)
def test_it_never_acts_by_itself_where(_what: str, reward: float, nothing: float, settings: dict[str, object]) -> None:
    bench = asked(**settings)
    bench.rounds(50, reward, nothing=nothing)
    assert all(one.level != "act" for one in bench.changes if one.action == "recycle")


def test_what_earns_no_more_than_the_baseline_never_acts_by_itself() -> None:
    bench = asked()
    for _ in range(50):
        bench.run("recycle", GOOD)
        bench.run("restart", GOOD, arm="baseline")
        bench.nothing(1)
    assert {one.action for one in bench.changes if one.level == "act"} == {"restart"}


def test_what_cannot_be_taken_back_stays_with_people_whatever_it_earns() -> None:
    bench = asked()
    bench.rounds(40, GOOD, action="wipe")
    assert bench.changes == []


def test_what_matches_no_pattern_is_never_raised() -> None:
    bench = LevelBench(novel="suggest", episodes=2)
    for _ in range(9):
        bench.decide("recycle", pattern="novel")
    assert bench.changes == []


def test_a_person_signs_what_was_earned_unless_the_file_says_otherwise() -> None:
    bench = asked(**{"raise": "signed"})
    bench.rounds(40, GOOD)
    assert told(bench) == [("p-1/recycle", "approve", "approve", "earned")]
    assert bench.changes[0].earned == "act"
    bench.give(control("level", "p-1/recycle", "act"))
    assert bench.decide("recycle").level == "act"


UNPROVEN: list[tuple[str, dict[str, str]]] = [
    ("its end was never heard", {"end": ""}),
    ("its end is unknown", {"end": "unknown"}),
    ("its outcome is a default", {"end": "", "state": "defaulted"}),
]


@pytest.mark.parametrize(("_what", "fields"), UNPROVEN)
def test_no_run_raises_a_level_of_which(_what: str, fields: dict[str, str]) -> None:
    bench = asked()
    for _ in range(40):
        bench.run("recycle", GOOD, **fields)
        bench.run("restart", BAD, arm="baseline")
        bench.nothing(1)
    assert bench.changes == []


def test_what_a_person_settled_raises_no_level() -> None:
    bench = asked()
    for _ in range(40):
        verdict = bench.decide("recycle")
        settled = control("settle", bench.started[0].id, "succeeded")
        bench.give(settled)
        bench.learn(verdict, GOOD)
        bench.run("restart", BAD, arm="baseline")
        bench.nothing(1)
    assert bench.changes == []


def test_what_never_began_is_no_outcome_and_not_missing_either() -> None:
    bench = acting()
    for _ in range(9):
        verdict = bench.decide("recycle")
        bench.learn(verdict, None, state="censored")
    assert bench.changes == []


def test_a_trusted_action_that_turns_harmful_is_lowered_within_five_outcomes() -> None:
    bench = acting()
    for _ in range(5):
        bench.run("recycle", BAD, end="failed")
    assert told(bench) == [("p-1/recycle", "act", "approve", "worse")]
    assert bench.decide("recycle").level == "approve"


def test_a_trusted_action_survives_now_and_then_a_failure() -> None:
    bench = acting()
    for number in range(100):
        bench.run("recycle", BAD if number % 7 == 0 else GOOD)
    assert bench.changes == []


@pytest.mark.parametrize("fields", [{"end": ""}, {"state": "unobservable"}, {"end": "unknown"}])
def test_a_trusted_action_of_which_nobody_tells_what_came_is_lowered(fields: dict[str, str]) -> None:
    bench = acting()
    for _ in range(6):
        bench.run("recycle", GOOD, **fields)
    assert told(bench) == [("p-1/recycle", "act", "approve", "missing")]


def test_what_people_let_act_is_lowered_as_well_once_it_surely_harms() -> None:
    bench = LevelBench(default="act")
    bench.rounds(60, BAD, nothing=0.6)
    lowered = [one for one in told(bench) if one[0] == "p-1/recycle"]
    assert lowered == [("p-1/recycle", "act", "approve", "harm"), ("p-1/recycle", "approve", "suggest", "harm")]


def harmful(**levels: object) -> LevelBench:
    """Return a gate at which recycle was lowered from approve to suggest."""
    bench = asked(**levels)
    while not bench.changes:
        bench.run("recycle", BAD)
        bench.nothing(1, 0.6)
    assert told(bench) == [("p-1/recycle", "approve", "suggest", "harm")]
    bench.changes.clear()
    return bench


def test_what_was_lowered_must_prove_itself_longer_than_before() -> None:
    bench = harmful(episodes=3)
    bench.changes.clear()
    for _ in range(5):
        bench.decide("recycle")
    assert told(bench) == []
    bench.decide("recycle")
    assert told(bench) == [("p-1/recycle", "suggest", "approve", "decided")]


def test_every_test_after_the_first_needs_more() -> None:
    bench = asked()
    bench.rounds(40, GOOD)
    for _ in range(5):
        bench.run("recycle", BAD, end="failed")
    bench.rounds(60, GOOD)
    first, _, again = [one for one in bench.changes if one.action == "recycle"]
    assert (first.reason, again.reason) == ("earned", "earned")
    assert again.outcomes > first.outcomes


def test_what_a_person_orders_holds_again_whatever_was_earned_or_lost() -> None:
    bench = acting()
    for _ in range(5):
        bench.run("recycle", BAD, end="failed")
    bench.give(msgspec.structs.replace(control("level", "*/recycle", "act"), time_us=bench.us))
    assert told(bench)[1:] == [("p-1/recycle", "approve", "act", "ordered")]
    assert bench.decide("recycle").level == "act"


def reopened(bench: LevelBench, **levels: object) -> LevelBench:
    """Return the gate after a restart under other levels."""
    bench.levels = msgspec.structs.replace(bench.levels, **levels)
    snapshot = bench.gate.snapshot()
    bench.gate = bench.make()
    bench.gate.restore(snapshot)
    return bench


def test_what_was_earned_and_lost_outlives_a_restart() -> None:
    assert reopened(acting()).decide("recycle").level == "act"


def test_other_settings_end_what_was_earned() -> None:
    assert reopened(acting(), default="suggest").decide("recycle").level == "suggest"


def test_what_can_no_longer_be_taken_back_no_longer_acts_by_itself() -> None:
    bench = acting()
    bench.actions = ACTIONS | {"recycle": msgspec.structs.replace(ACTIONS["recycle"], reversible=False)}
    assert reopened(bench).decide("recycle").level == "approve"


def test_other_settings_raise_nothing_that_was_lowered() -> None:
    assert reopened(harmful(), default="act").decide("recycle").level == "suggest"


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


def merged(pattern: str, into: str) -> Pattern:
    return Pattern(
        id=derive("merged", pattern, into),
        time_us=0,
        pattern=pattern,
        name=pattern,
        status="merged",
        support=3,
        signature={},
        first_us=0,
        last_us=0,
        alias_of=into,
    )


def test_merged_patterns_take_the_lower_level() -> None:
    for level, lowered in (("act", []), ("suggest", [("p-1/recycle", "act", "suggest", "merged")])):
        bench = acting(exact={"p-2/recycle": level})
        bench.decide("recycle", pattern="p-2")
        bench.give(merged("p-2", "p-1"), merged("p-2", "p-1"))
        assert told(bench) == lowered


def test_pairs_that_find_no_room_are_never_acted_on_by_themselves() -> None:
    bench = LevelBench(default="act", pairs=1)
    bench.rounds(3, GOOD)
    assert bench.decide("recycle", pattern="p-9").level == "act"  # takes the place of another
    while not bench.changes:
        bench.run("recycle", BAD)
        bench.nothing(1, 0.6)
    assert bench.decide("recycle", pattern="p-9").level == "approve"


def test_the_same_experience_counts_once() -> None:
    once, twice = asked(), asked(outcomes=1)
    once.rounds(40, GOOD)
    twice.again = True
    twice.rounds(40, GOOD)
    assert [one.outcomes for one in once.changes] == [one.outcomes for one in twice.changes]
