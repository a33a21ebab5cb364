"""What was raised stays so only as long as outcomes suffice to learn from."""

import math

import msgspec
import pytest

from streams.loop.gate.feedback import Feedback
from streams.loop.gate.pairs import Pairs
from streams.loop.gate.state import read_state
from tests.loop.gate_bench import HOUR, SECOND, control, experience, opened, outcome, proposal, verdicts
from tests.loop.levels_bench import GOOD, LevelBench, reopened, told

WITHIN = {"earn_within_us": 2 * HOUR, "episodes": 3}


def feedback(bench: LevelBench) -> dict[str, Feedback]:
    """Return what is known of outcomes by pattern, the one not heard of for longest first."""
    return dict(read_state(bench.gate.snapshot()).ladder.feedback)


def raised(default: str = "suggest", **levels: object) -> LevelBench:
    """Return a gate at which recycle was raised to act, from what settings say."""
    bench = LevelBench(default=default, **WITHIN, **levels)
    bench.nothing(5)
    for _ in range(3 if default == "suggest" else 0):
        bench.decide("recycle")
    bench.rounds(40, GOOD)
    assert bench.decide("recycle").level == "act"
    bench.changes.clear()
    return bench


def test_where_outcomes_became_rare_it_is_lowered_to_suggest_before_it_acts_again_and_says_why() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    verdict = bench.decide("recycle")
    assert (verdict.verdict, verdict.level) == ("shadow", "suggest")
    assert told(bench) == [("p-1/recycle", "act", "suggest", "sparse")]
    assert bench.changes[0].detail.startswith("13 outcomes of doing nothing, one in ")
    assert "policy.hold_out" in bench.changes[0].remedy
    assert reopened(bench).decide("recycle").level == "suggest"


def test_what_is_asked_of_people_is_asked_no_longer() -> None:
    bench = LevelBench(**WITHIN)
    bench.nothing(5)
    for _ in range(3):
        bench.decide("recycle")
    bench.us += 8 * HOUR
    assert bench.decide("recycle").verdict == "shadow"
    assert told(bench) == [
        ("p-1/recycle", "suggest", "approve", "decided"),
        ("p-1/recycle", "approve", "suggest", "sparse"),
    ]


def test_where_doing_nothing_does_as_well_by_now_it_is_lowered_too() -> None:
    bench = raised(effect=0.3)
    bench.nothing(300, 1.0, would="restart")
    bench.decide("recycle")
    assert told(bench) == [("p-1/recycle", "act", "suggest", "needless")]


def test_it_climbs_again_once_outcomes_are_dense_again_after_as_many_episodes_with_all_it_has_proved() -> None:
    bench = raised()
    bench.rounds(40, GOOD)
    bench.us += 8 * HOUR
    bench.decide("recycle")
    bench.nothing(40)
    for _ in range(2):
        assert bench.decide("recycle").level == "suggest"
    bench.decide("recycle")
    assert [one[2:] for one in told(bench)] == [("suggest", "sparse"), ("approve", "decided")]
    bench.rounds(1, GOOD)
    assert told(bench)[2:] == [("p-1/recycle", "approve", "act", "earned")]
    assert bench.changes[-1].outcomes > 40


def test_after_it_was_lowered_other_settings_are_obeyed_at_once() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    assert bench.decide("recycle").level == "suggest"
    assert reopened(bench, exact={"p-1/recycle": "act"}).decide("recycle").level == "act"


def test_a_level_recalled_from_what_was_told_is_no_harm_either() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    bench.decide("recycle")
    pairs = Pairs(bench.levels, actions=bench.actions, baseline=bench.baseline)
    pairs.recall(bench.changes[-1])
    pair = pairs.find("p-1", "recycle")
    assert pair is not None
    assert (pair.level, pair.fell) == ("suggest", False)


def test_where_outcomes_are_too_thin_nothing_rises_from_what_people_approve_either_and_it_says_so_once() -> None:
    bench = LevelBench(default="approve", **WITHIN)
    bench.nothing(5)
    for _ in range(80):
        bench.us += HOUR
        bench.rounds(1, GOOD)
    assert told(bench) == [("p-1/recycle", "approve", "approve", "sparse")]
    assert "policy.hold_out" in bench.changes[0].remedy


def test_it_is_not_lowered_where_nothing_is_known_as_after_the_state_was_given_up() -> None:
    bench = raised()
    state = read_state(bench.gate.snapshot())
    state.ladder.feedback = []
    bench.gate.restore(msgspec.msgpack.encode(state))
    assert bench.decide("recycle").level == "act"
    assert bench.changes == []


def test_a_level_looked_up_before_at_the_same_moment_is_not_that_of_a_lowered_pair() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    bench.give(opened("x1"), opened("x2"))
    values = {"time_us": bench.us, "action": "recycle", "pattern": "p-1"}
    by_bob = proposal("q-1", entity="x1", episode="episode-x1", by="bob", reason="it helps", **values)
    by_loop = proposal("q-2", entity="x2", episode="episode-x2", **values)
    assert verdicts(bench.give(by_bob, by_loop))[1].level == "suggest"


def test_what_is_told_while_the_gate_is_down_is_neither_slow_nor_sparse() -> None:
    bench = raised()
    verdicts_made = [bench.decide("none", arm="none", would="recycle") for _ in range(60)]
    outcomes = [experience(one, reward=0.0, time_us=one.time_us + 18 * SECOND) for one in verdicts_made]
    asked = proposal("x1", time_us=bench.us, entity="x1", episode="episode-x1", action="recycle", pattern="p-1")
    bench.give(opened("x1"))
    bench.us += 8 * HOUR
    bench.give(asked)
    assert bench.changes == []
    bench.give(*outcomes)
    late = feedback(bench)["p-1"]
    assert late.delay_us < 20 * SECOND


@pytest.mark.parametrize("others", [1, 2, 5])
def test_what_is_known_of_a_raised_pair_is_forgotten_after_all_else(others: int) -> None:
    bench = raised(pairs=2)
    for number in range(others):
        bench.run("none", 0.0, arm="none", would="restart", pattern=f"q-{number}")
    assert list(feedback(bench)) == ["p-1", f"q-{others - 1}"]
    bench.us += 8 * HOUR
    assert bench.decide("recycle").level == "suggest"


def test_what_was_not_heard_of_for_longest_is_forgotten_first() -> None:
    bench = LevelBench(pairs=2)
    for pattern in ("q-1", "q-2", "q-1", "q-3"):
        bench.run("none", 0.0, arm="none", would="restart", pattern=pattern)
    assert list(feedback(bench)) == ["q-1", "q-3"]


def test_a_run_measured_late_is_not_one_of_which_nothing_could_be_measured() -> None:
    bench = LevelBench(default="act", earn_within_us=2 * HOUR)
    bench.nothing(2)
    for _ in range(6):
        verdict = bench.decide("recycle")
        bench.learn(verdict, None, state="defaulted")
        bench.give(outcome(bench.started[0], "succeeded"))
        bench.learn(verdict, GOOD, state="late")
    known = feedback(bench)["p-1"]
    assert known.measured / known.judged == pytest.approx(1.0, abs=0.01)
    assert 20 * SECOND < known.delay_us < 36 * SECOND


@pytest.mark.parametrize("reward", [-0.9, 1.2, math.nan, math.inf])
def test_a_run_whose_reward_cannot_be_one_is_missing_and_no_outcome(reward: float) -> None:
    bench = LevelBench(default="act")
    bench.run("recycle", reward)
    (pair,) = read_state(bench.gate.snapshot()).ladder.pairs
    assert (pair.outcomes, pair.missing) == (0, 1)


@pytest.mark.parametrize("reward", [-0.9, 1.2, math.nan, math.inf])
def test_what_cannot_be_a_reward_is_none(reward: float) -> None:
    bench = LevelBench(**WITHIN)
    bench.nothing(5)
    before = feedback(bench)["p-1"].mean
    bench.nothing(1, reward)
    known = feedback(bench)["p-1"]
    assert (known.mean, known.known) == (before, 5)
    assert known.measured < known.judged - 0.9


def test_it_is_lowered_no_further_than_to_what_people_said() -> None:
    bench = raised("approve")
    bench.us += 8 * HOUR
    assert bench.decide("recycle").level == "approve"
    assert told(bench) == [("p-1/recycle", "act", "approve", "sparse")]


def test_what_people_let_act_by_their_own_word_stays() -> None:
    bench = raised()
    bench.give(msgspec.structs.replace(control("level", "p-1/recycle", "act"), time_us=bench.us))
    bench.changes.clear()
    bench.us += 8 * HOUR
    assert bench.decide("recycle").level == "act"
    assert bench.changes == []


def test_what_a_person_proposes_is_no_reason_to_lower_what_the_loop_does() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    bench.decide("recycle", by="bob", reason="it helps")
    assert bench.changes == []
