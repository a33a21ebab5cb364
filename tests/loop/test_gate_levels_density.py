"""What was raised stays so only as long as outcomes suffice to learn from."""

import msgspec

from tests.loop.gate_bench import HOUR, control
from tests.loop.levels_bench import GOOD, LevelBench, reopened, told

WITHIN = {"earn_within_us": 2 * HOUR, "episodes": 3}


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
    assert bench.changes[0].detail.startswith("10 outcomes of doing nothing, one in ")
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


def test_it_climbs_again_once_outcomes_are_dense_again_after_twice_as_many_episodes() -> None:
    bench = raised()
    bench.us += 8 * HOUR
    bench.decide("recycle")
    bench.nothing(40)
    for _ in range(4):
        assert bench.decide("recycle").level == "suggest"
    for _ in range(3):
        bench.decide("recycle")
    assert [one[2:] for one in told(bench)] == [("suggest", "sparse"), ("approve", "decided")]


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
