"""Levels where patterns are merged, and where there are too many."""

import msgspec

from schemas.events import Pattern
from schemas.ids import derive
from streams.loop.gate.state import read_state
from tests.loop.gate_bench import control
from tests.loop.levels_bench import BAD, GOOD, LevelBench, acting, reopened, told


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


def test_what_was_decided_about_a_pattern_before_it_was_merged_has_the_level_of_both() -> None:
    bench = LevelBench(default="act")
    for _ in range(30):
        bench.run("recycle", GOOD, pattern="p-2")
    for _ in range(5):
        bench.run("recycle", BAD, pattern="p-2")
    bench.give(merged("p-2", "p-1"))
    assert told(bench) == [
        ("p-2/recycle", "act", "approve", "worse"),
        ("p-1/recycle", "act", "approve", "merged"),
    ]
    assert bench.decide("recycle", pattern="p-2").level == "approve"
    assert reopened(bench).decide("recycle", pattern="p-2").level == "approve"


def test_what_is_learned_of_a_merged_pattern_is_learned_of_the_one_that_took_it_in() -> None:
    bench = acting()
    bench.give(merged("p-3", "p-2"), merged("p-2", "p-1"), merged("p-1", "p-3"))
    for _ in range(5):
        bench.run("recycle", BAD, end="failed", pattern="p-3")
    assert told(bench) == [("p-1/recycle", "act", "approve", "worse")]


def test_what_people_said_of_a_merged_pattern_holds_though_nothing_was_decided_about_it() -> None:
    bench = acting(exact={"p-2/recycle": "observe"})
    bench.give(merged("p-2", "p-1"))
    assert told(bench) == [("p-1/recycle", "act", "observe", "merged")]


def test_a_merge_that_is_told_again_takes_back_no_order() -> None:
    bench = acting(exact={"p-2/recycle": "observe"})
    bench.give(merged("p-2", "p-1"))
    bench.give(msgspec.structs.replace(control("level", "p-1/recycle", "act"), time_us=bench.us))
    bench.give(msgspec.structs.replace(merged("p-2", "p-1"), id="again"))
    assert bench.decide("recycle").level == "act"


def test_of_too_many_pairs_the_one_not_heard_of_for_longest_is_forgotten() -> None:
    bench = LevelBench(default="act", pairs=2)
    for number in range(16):
        bench.run("recycle", GOOD if number < 11 else BAD)
        bench.run("recycle", GOOD, pattern=f"p-{number + 10}")
    assert told(bench) == [("p-1/recycle", "act", "approve", "worse")]


def test_pairs_that_find_no_room_are_never_acted_on_by_themselves() -> None:
    bench = LevelBench(default="act", pairs=1)
    bench.rounds(3, GOOD)
    assert bench.decide("recycle", pattern="p-9").level == "act"  # takes the place of another
    while not bench.changes:
        bench.run("recycle", BAD)
        bench.nothing(1, 0.6)
    assert bench.decide("recycle", pattern="p-9").level == "approve"


def test_a_merge_lowers_though_the_levels_of_all_other_pairs_were_changed() -> None:
    bench = LevelBench(default="act", pairs=1, exact={"p-1/recycle": "observe"})
    for _ in range(6):
        bench.run("recycle", GOOD, pattern="p-9", end="")
    assert told(bench) == [("p-9/recycle", "act", "approve", "missing")]
    bench.changes.clear()
    bench.give(merged("p-1", "p-2"))
    assert told(bench) == [("p-2/recycle", "act", "observe", "merged")]
    assert reopened(bench).decide("recycle", pattern="p-2").level == "observe"
    assert len(read_state(bench.gate.snapshot()).ladder.pairs) == 2


def test_after_a_merge_what_was_known_of_both_patterns_counts() -> None:
    bench = LevelBench()
    for pattern in ("p-1", "p-2"):
        for _ in range(5):
            bench.run("none", 0.0, arm="none", would="recycle", pattern=pattern)
    bench.give(merged("p-2", "p-1"))
    ((name, known),) = read_state(bench.gate.snapshot()).ladder.feedback
    assert (name, known.known) == ("p-1", 10)
