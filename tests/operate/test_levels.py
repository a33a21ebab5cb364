"""How far each action may go, as the topics tell it."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Blocked, Control, Event, LevelChange, Pattern, Promotion
from streams.operate.levels import levels, lowered, otherwise
from streams.settings import Settings, parse
from tests.loop.levels_bench import BAD, GOOD, LevelBench
from tests.operate.test_in_flight import SETTINGS, Log, control


def pattern(name: str, status: str) -> Pattern:
    return Pattern(
        id=f"{name}-{status}",
        time_us=0,
        pattern=name,
        name=f"{name} up",
        status=status,  # type: ignore[arg-type]  # each test names a status of the contract
        support=3,
        signature={},
        first_us=0,
        last_us=0,
    )


def test_the_levels_of_recurring_patterns_follow_settings_and_orders() -> None:
    log = Log(
        pattern("p-1", "recurring"),
        pattern("p-2", "recurring"),
        pattern("p-2", "faded"),
        pattern("p-3", "candidate"),
        control("level", "p-1/restart", "act"),
        control("level", "*/wipe", "act"),
    )
    found = [(one.pattern, one.action, one.level, one.ordered) for one in levels(log, SETTINGS, now_us=1)]
    assert found == [
        ("novel", "restart", "observe", False),
        ("novel", "wipe", "approve", True),
        ("p-1", "restart", "act", True),
        ("p-1", "wipe", "approve", True),
    ]


@pytest.mark.parametrize(("ordered_us", "level"), [(1, "observe"), (3, "approve")])
def test_an_order_for_a_former_name_counts_for_what_it_was_merged_into_from_the_merge_on(
    ordered_us: int, level: str
) -> None:
    merged = replace(pattern("p-1", "merged"), alias_of="p-2", time_us=2)
    former = replace(control("level", "p-1/restart", "approve"), time_us=ordered_us)
    log = Log(merged, pattern("p-2", "recurring"), former, control("level", "p-2/restart", "observe"))
    found = levels(log, SETTINGS, now_us=4)
    assert [one.level for one in found if (one.pattern, one.action) == ("p-2", "restart")] == [level]


def change(level: str, was: str, reason: str, **fields: Any) -> LevelChange:
    values = {"id": f"{reason}-{level}", "time_us": 5, "pattern": "p-1", "action": "restart", "start": "suggest"}
    return LevelChange(**(values | {"level": level, "was": was, "reason": reason} | fields))


CHANGES: list[tuple[list[Event], str, str]] = [
    # what happened, the level, what is said of it
    (
        [change("approve", "suggest", "decided", decided=10)],
        "approve",
        "suggest -> approve, wanted often enough; wanted 10 times",
    ),
    (
        [change("act", "approve", "earned", earned="act", outcomes=42, missing=1, effect=0.4,
                effect_low=0.1, effect_high=0.6, compared="none")],
        "act",
        "approve -> act, by what came of it; 42 outcomes, 1 missing; effect 0.40 (0.10 to 0.60) above none",
    ),
    (
        [change("approve", "suggest", "decided"), change("approve", "approve", "earned", earned="act")],
        "approve",
        "approve, by what came of it; flyball level p-1/restart act raises it",
    ),
    (
        [change("suggest", "suggest", "slow", detail="30 minutes", remedy="a shorter horizon")],
        "suggest",
        "suggest, its outcomes come too late (30 minutes); what would change that: a shorter horizon",
    ),
    (
        [change("act", "approve", "earned"), control("level", "p-1/restart", "observe"),
         change("observe", "act", "ordered")],
        "observe",
        "act -> observe, by a person",
    ),
    (
        [change("act", "approve", "earned"),
         change("approve", "act", "promotion", pattern="*", action="*", start="act", until_us=9)],
        "approve",
        "approve -> act, by what came of it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("events", "level", "says"), CHANGES)
def test_what_the_gate_made_of_a_level_is_shown_with_its_numbers(events: list[Event], level: str, says: str) -> None:
    found = levels(Log(pattern("p-1", "recurring"), *events), SETTINGS, now_us=8)
    (one,) = [one for one in found if (one.pattern, one.action) == ("p-1", "restart")]
    assert (one.level, one.changed) == (level, says)


OTHER: list[tuple[list[Event], str]] = [
    # what happened before the settings came to say act, the level
    ([change("act", "approve", "earned"), change("suggest", "act", "ordered", detail="other settings")], "act"),
    ([change("approve", "act", "worse"), change("suggest", "approve", "ordered", detail="other settings")], "suggest"),
    ([change("approve", "act", "worse"), change("suggest", "approve", "ordered")], "act"),
]


@pytest.mark.parametrize(("events", "level"), OTHER)
def test_what_was_lowered_is_shown_as_low_whatever_settings_say_until_a_person_orders_it(
    events: list[Event], level: str
) -> None:
    settings = parse('[loop]\nname = "x"\n[levels]\ndefault = "act"\n[actions.restart]\n', name="loop.toml")
    found = levels(Log(pattern("p-1", "recurring"), *events), settings, now_us=8)
    assert [one.level for one in found if one.pattern == "p-1"] == [level]


def ordered(bench: LevelBench, pair: str, level: str) -> Control:
    return replace(control("level", pair, level), time_us=bench.us, by="ada")


def of_bench(bench: LevelBench) -> Settings:
    policy = replace(SETTINGS.policy, baseline=bench.baseline)
    return replace(SETTINGS, levels=bench.levels, actions=bench.actions, policy=policy)


def gate_level(bench: LevelBench, action: str = "recycle") -> str:
    """Return the level at which the gate itself decides."""
    return bench.decide(action).level


def log_level(bench: LevelBench, *events: Event) -> str:
    log = Log(pattern("p-1", "recurring"), *events)
    (one,) = [
        one for one in levels(log, of_bench(bench), now_us=bench.us) if (one.pattern, one.action) == ("p-1", "recycle")
    ]
    return one.level


def harmed() -> tuple[LevelBench, list[Event]]:
    """Return a gate that lowered what a person had let act, and all that was ordered and told."""
    bench = LevelBench(default="approve")
    begun = bench.make().on_batch([], bench._now())
    act = ordered(bench, "p-1/recycle", "act")
    bench.give(act)
    while not bench.changes:
        bench.rounds(1, BAD, nothing=GOOD)
    return bench, [act, *begun, *bench.changes]


def test_what_a_gate_says_that_begins_afresh_takes_the_place_of_all_that_it_said() -> None:
    bench, told = harmed()
    assert (gate_level(bench), log_level(bench, *told)) == ("approve", "approve")
    bench.gate = bench.make()
    told += bench.give(Control(id="run", time_us=bench.us, kind="pause", target="loop", value="running", by="ada"))
    bench.give(told[0])
    assert (gate_level(bench), log_level(bench, *told)) == ("act", "act")


def test_an_order_of_what_was_lowered_keeps_it_low_at_a_gate_that_begins_afresh() -> None:
    bench, told = harmed()
    kept = lowered(Log(*told), of_bench(bench))
    assert kept == {"p-1/recycle": "approve"}
    (order,) = [ordered(bench, pair, level) for pair, level in kept.items()]
    bench.gate = bench.make()
    told += bench.give(Control(id="run", time_us=bench.us, kind="pause", target="loop", value="running", by="ada"))
    bench.give(told[0], order)
    assert (gate_level(bench), log_level(bench, *told, order)) == ("approve", "approve")
    assert lowered(Log(*told, order), of_bench(bench)) == {}, "it is what people say now"


def lost_since(bench: LevelBench, snapshot: bytes) -> list[Event]:
    """Let a gate go on from a snapshot, as if what it did since was left out; return what it tells then."""
    bench.gate.restore(snapshot)
    bench.gate.on_loss()
    bench.us += 1
    return bench.give(Control(id="run", time_us=bench.us, kind="pause", target="loop", value="running", by="ada"))


def test_what_a_gate_earned_in_steps_that_are_left_out_is_not_shown() -> None:
    bench = LevelBench(default="approve")
    begun, before = bench.make().on_batch([], bench._now()), bench.gate.snapshot()
    bench.rounds(40, GOOD)
    told = [*begun, *bench.changes]
    assert (gate_level(bench), log_level(bench, *told)) == ("act", "act")
    told += lost_since(bench, before)
    assert (gate_level(bench), log_level(bench, *told)) == ("approve", "approve")


def test_what_a_gate_had_earned_before_is_still_shown() -> None:
    bench = LevelBench(default="approve")
    bench.rounds(40, GOOD)
    told = [*bench.changes, *lost_since(bench, bench.gate.snapshot())]
    assert (gate_level(bench), log_level(bench, *told)) == ("act", "act")
    promotion = Promotion(
        id="new", time_us=bench.us, component="policy", version="2", decision="promote", trained_up_to=(), model=b""
    )
    told += bench.give(promotion)
    assert (gate_level(bench), log_level(bench, *told)) == ("approve", "approve")
    told += lost_since(bench, bench.gate.snapshot())
    assert (gate_level(bench), log_level(bench, *told)) == ("approve", "approve")


def test_what_the_gate_raised_and_gave_up_again_was_not_lowered() -> None:
    log = Log(change("approve", "suggest", "decided"), change("suggest", "approve", "slow"))
    assert lowered(log, SETTINGS) == {}


def test_what_is_told_in_the_very_step_in_which_a_gate_begins_is_no_older_than_it() -> None:
    begins = Blocked(id="b", time_us=5, until_us={}, whole=True)
    before, after = change("observe", "suggest", "harm", time_us=4), change("approve", "suggest", "decided")
    (one,) = [
        one
        for one in levels(Log(pattern("p-1", "recurring"), before, after, begins), SETTINGS, now_us=8)
        if (one.pattern, one.action) == ("p-1", "restart")
    ]
    assert one.level == "approve"


def stays(order: str, level: str, *events: Event, text: str = "") -> list[str]:
    settings = parse(text, name="loop.toml") if text else SETTINGS
    log = Log(pattern("p-1", "recurring"), *events, replace(control("level", order, level), time_us=4))
    return otherwise(levels(log, settings, now_us=8), order, level)  # type: ignore[arg-type]


def test_an_order_for_any_pattern_names_the_pairs_that_stay_otherwise_and_why() -> None:
    named = control("level", "p-1/restart", "act"), control("level", "p-9/restart", "act")
    by_name = "stays at act: ordered by its own name"
    assert stays("*/restart", "observe") == []
    assert stays("*/restart", "observe", *named) == [f"p-1/restart {by_name}", f"p-9/restart {by_name}"]
    assert stays("p-1/restart", "observe", *named) == []
    capped = "stays at approve: loop.toml lets it go no further"
    assert stays("*/wipe", "act") == [f"novel/wipe {capped}", f"p-1/wipe {capped}"]
    assert stays("p-1/wipe", "act") == [f"p-1/wipe {capped}"]
    assert stays("*/wipe", "observe") == []


def test_what_the_gate_lowered_since_is_told_with_what_it_said() -> None:
    said = "p-1/restart stays at approve: act -> approve, surely worse"
    found = stays("p-1/restart", "act", change("approve", "act", "harm", start="act"))
    assert [one[: len(said)] for one in found] == [said]


def test_a_promotion_since_keeps_what_was_ordered_from_acting() -> None:
    promotion = change("approve", "act", "promotion", pattern="*", action="*", start="act", until_us=9)
    assert stays("p-1/restart", "act", promotion) == [
        "p-1/restart stays at approve: after a promotion, or where all levels.pairs are taken, nothing acts by itself"
    ]
