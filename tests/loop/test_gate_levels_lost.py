"""Every run counts once, and levels are lost at once."""

import msgspec
import pytest

from schemas.events import Event, Overflow
from streams.loop.gate.state import read_state
from tests.loop.gate_bench import SECOND, experience, outcome, proposal, verdicts
from tests.loop.levels_bench import BAD, GOOD, WIDE, LevelBench, acting, asked, harmful, told


def test_what_never_began_is_no_outcome_and_not_missing_either() -> None:
    bench = acting()
    for _ in range(9):
        verdict = bench.decide("recycle")
        bench.learn(verdict, None, state="censored")
    assert bench.changes == []


def test_a_run_counts_once_whatever_comes_of_it_later() -> None:
    bench = asked(outcomes=30)
    for _ in range(20):
        bench.run("recycle", GOOD)
        verdict = bench.decide("recycle")
        bench.give(outcome(bench.started[0], "succeeded"))
        for state in ("observed", "late", "unobservable"):
            bench.learn(verdict, GOOD, state=state)
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.nothing(1)
    (change,) = bench.changes
    assert (change.outcomes, change.missing) == (30, 0)


def test_an_outcome_after_its_default_counts_as_both() -> None:
    bench = asked(outcomes=20)
    verdict = bench.decide("recycle")
    bench.learn(verdict, BAD, state="defaulted")
    bench.give(outcome(bench.started[0], "succeeded"))
    bench.learn(verdict, GOOD, state="late")
    bench.rounds(40, GOOD)
    assert (bench.changes[0].outcomes, bench.changes[0].missing) == (20, 1)


def test_what_is_foretold_is_neither_an_outcome_nor_missing_nor_feedback() -> None:
    plain, told_early = acting(), acting()
    for bench in (plain, told_early):
        for end in ("succeeded", "", "failed"):
            verdict = bench.decide("recycle")
            if bench is told_early:
                bench.learn(verdict, BAD, state="early")
                bench.us -= 18 * 1_000_000
            if end:
                bench.give(outcome(bench.started[0], end))
            bench.learn(verdict, BAD, state="observed" if end else "defaulted")
        nothing = bench.decide("none")
        if bench is told_early:
            bench.learn(nothing, GOOD, state="early")
            bench.us -= 18 * 1_000_000
        bench.learn(nothing, BAD)
    with_early, without = (read_state(bench.gate.snapshot()).ladder for bench in (told_early, plain))
    assert (with_early.pairs, with_early.feedback) == (without.pairs, without.feedback)
    assert [run for _, run in with_early.runs] == [run for _, run in without.runs]


FORGETFUL = msgspec.structs.replace(WIDE, remembered=5)


def test_outcomes_count_though_so_much_was_decided_since_that_the_verdict_is_forgotten() -> None:
    bench = acting(settings=FORGETFUL)
    for _ in range(5):
        verdict = bench.decide("recycle")
        bench.give(outcome(bench.started[0], "failed"))
        for _ in range(6):
            bench.decide("none", pattern="p-7")
        bench.learn(verdict, BAD)
    assert told(bench) == [("p-1/recycle", "act", "approve", "worse")]


def test_what_doing_nothing_came_to_counts_though_so_much_was_decided_since() -> None:
    bench = LevelBench(settings=FORGETFUL)
    for _ in range(3):
        verdict = bench.decide("none")
        for _ in range(6):
            bench.decide("none", pattern="p-7")
        bench.learn(verdict, GOOD, state="defaulted")
        bench.give(experience(verdict, reward=GOOD, time_us=bench.us, state="defaulted"))
        bench.learn(verdict, GOOD, state="late")
        bench.learn(verdict, GOOD, state="observed")
    ((pattern, known),) = read_state(bench.gate.snapshot()).ladder.feedback
    assert (pattern, known.known) == ("p-1", 6)


def test_that_more_is_left_alone_than_can_be_waited_for_is_told_at_once_and_then_once_a_minute() -> None:
    bench = LevelBench(settings=msgspec.structs.replace(WIDE, tracked=5))
    outputs: list[Event] = []
    for number in range(10):
        bench.us += 20 * SECOND
        outputs += bench.give(proposal(f"q{number}", action="none", entity=f"n{number}", time_us=bench.us))
    due_us = bench.gate.next_time()
    assert due_us is not None
    bench.us = due_us
    outputs += bench.tick()
    found = [(one.time_us, one.limit, one.rows, one.examples) for one in outputs if isinstance(one, Overflow)]
    first_us = found[0][0]
    assert found == [
        (first_us, "gate.tracked", 1, ("n0",)),
        (first_us + 60 * SECOND, "gate.tracked", 3, ("n1", "n2", "n3")),
        (first_us + 120 * SECOND, "gate.tracked", 1, ("n4",)),
    ]
    assert bench.gate.next_time() is None
    for verdict in verdicts(outputs):
        bench.learn(verdict, 0.0)
    ((_, known),) = read_state(bench.gate.snapshot()).ladder.feedback
    assert known.known == 5


def test_a_trusted_action_of_which_no_experience_ever_comes_is_lowered() -> None:
    bench = acting(settings=FORGETFUL)
    for _ in range(12):
        bench.decide("recycle")
        if bench.started:
            bench.give(outcome(bench.started[0], "succeeded"))
    assert told(bench) == [("p-1/recycle", "act", "approve", "missing")]


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


def test_the_same_experience_counts_once() -> None:
    once, twice = asked(), asked(outcomes=1)
    once.rounds(40, GOOD)
    twice.again = True
    twice.rounds(40, GOOD)
    assert [one.outcomes for one in once.changes] == [one.outcomes for one in twice.changes]
