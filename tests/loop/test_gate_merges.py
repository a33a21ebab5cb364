"""Patterns that are merged: they share what was spent, what people ordered of either, and what is told of them."""

import msgspec
import pytest

from schemas.events import Blocked, Control, Event, Pattern, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import GateSettings
from streams.loop.gate.names import Names
from tests.loop.gate_bench import ACT, HOUR, SECOND, Bench, actions, control, outcome, proposal, spent_of, verdicts
from tests.loop.test_gate_levels_patterns import merged

ENDLESS = {"restart": ActionSettings(name="restart", limit="1000/hour", cooldown_us=0)}


def bench(**settings: object) -> Bench:
    """Return a gate that runs, in which no limit but those stated is ever reached, and restart acts."""
    made = Bench(settings=GateSettings(**settings), levels=ACT, actions=ENDLESS)  # type: ignore[arg-type]
    made.start()
    return made


def ask(made: Bench, pattern: str, entity: str) -> Verdict:
    """Propose against a pattern, let what is allowed end well, and return the verdict."""
    asked = proposal(
        f"{pattern}-{entity}-{made.us}",
        pattern=pattern,
        entity=entity,
        episode=f"episode-{entity}",
        time_us=made.us,
        expires_us=made.us + HOUR,
    )
    outputs = made.give(asked)
    made.give(*(outcome(action, "succeeded") for action in actions(outputs)))
    made.us += SECOND
    (verdict,) = verdicts(outputs)
    return verdict


def restored(made: Bench, **settings: object) -> Bench:
    """Return the gate as it is after a restart."""
    again = bench(**settings)
    again.gate.restore(made.gate.snapshot())
    again.us, again._offset = made.us, made._offset
    return again


def order(made: Bench, kind: str, target: str, value: str, *, time_us: int | None = None) -> Control:
    us = made.us if time_us is None else time_us
    return msgspec.structs.replace(control(kind, target, value), id=f"{kind}/{target}/{value}/{us}", time_us=us)


def blocked(outputs: list[Event]) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in outputs:
        if isinstance(event, Blocked):
            found |= event.until_us
    return found


def test_merged_patterns_have_spent_the_sum_of_both_by_either_name() -> None:
    one = bench(pattern_limit="4/hour")
    for number in range(3):
        ask(one, "p-1", f"e{number}")
    ask(one, "p-2", "e3")
    one.give(merged("p-1", "p-2"))
    for made in (one, restored(one, pattern_limit="4/hour")):
        for pattern in ("p-2", "p-1"):
            verdict = ask(made, pattern, "e4")
            assert (verdict.verdict, verdict.decided_by) == ("deny", "pattern-budget")
            assert spent_of(verdict, "pattern-budget") == (4, 4)
        assert ask(made, "p-3", "e4").verdict == "allow"


def test_what_is_spent_by_the_former_name_after_a_merge_is_spent_by_both() -> None:
    made = bench(pattern_limit="3/hour")
    made.give(merged("p-1", "p-2"), merged("p-2", "p-3"))
    found = [ask(made, pattern, "e1").verdict for pattern in ("p-1", "p-3", "p-2", "p-1", "p-2", "p-3")]
    assert found == ["allow", "allow", "allow", "deny", "deny", "deny"]


def test_a_budget_that_is_spent_by_a_merge_is_told_at_once_of_all_its_names() -> None:
    made = bench(pattern_limit="2/hour")
    first_us = made.us
    ask(made, "p-1", "e1")
    ask(made, "p-2", "e2")
    until_us = first_us + HOUR
    assert blocked(made.give(merged("p-1", "p-2"))) == {"pattern:p-1": until_us, "pattern:p-2": until_us}
    assert blocked(made.give(merged("p-1", "p-2"))) == {}


@pytest.mark.parametrize(("kind", "value", "lift"), [("pause", "paused", "pause"), ("stop", "", "rearm")])
def test_a_pause_or_stop_of_a_pattern_holds_for_what_it_is_merged_into_until_it_is_lifted(
    kind: str, value: str, lift: str
) -> None:
    made = bench()
    made.give(order(made, kind, "pattern:p-1", value))
    assert ask(made, "p-2", "e1").verdict == "allow"
    assert blocked(made.give(merged("p-1", "p-2"))) == {"pattern:p-2": 0}
    for pattern in ("p-2", "p-1"):
        verdict = ask(made, pattern, "e1")
        assert (verdict.decided_by, verdict.checks[1].detail) == ("pause", "pattern:p-1 is paused")
    assert ask(restored(made), "p-2", "e1").decided_by == "pause"
    made.us += SECOND
    lifted = made.give(order(made, lift, "pattern:p-1", "running"))
    assert blocked(lifted) == {"pattern:p-1": made.us, "pattern:p-2": made.us}
    assert ask(made, "p-2", "e1").verdict == "allow"


def test_a_pause_of_either_name_after_a_merge_holds_for_both_and_the_longest_one_is_told() -> None:
    made = bench()
    made.give(merged("p-1", "p-2"))
    for target, seconds in (("pattern:p-2", 10), ("pattern:p-1", 20)):
        until_us = made.us + seconds * SECOND
        outputs = made.give(msgspec.structs.replace(order(made, "pause", target, "paused"), until_us=until_us))
        assert blocked(outputs) == {"pattern:p-1": until_us, "pattern:p-2": until_us}
        verdict = ask(made, "p-2", "e1")
        assert (verdict.decided_by, verdict.retry_after_us) == ("pause", until_us)
        assert verdict.checks[1].detail == f"{target} is paused"


def test_an_order_for_the_level_of_a_former_name_counts_for_what_it_was_merged_into() -> None:
    made = bench()
    made.give(merged("p-1", "p-2"))
    made.give(order(made, "level", "p-1/restart", "observe"))
    assert [ask(made, pattern, "e1").level for pattern in ("p-1", "p-2")] == ["observe", "observe"]
    made.us += SECOND
    made.give(order(made, "level", "p-2/restart", "act"))
    assert [ask(made, pattern, "e1").level for pattern in ("p-1", "p-2")] == ["act", "act"]


@pytest.mark.parametrize(("first", "second"), [("observe", "act"), ("act", "observe")])
def test_of_orders_for_both_names_the_lower_level_holds_at_the_merge_whichever_is_later(
    first: str, second: str
) -> None:
    made = bench()
    made.give(order(made, "level", "p-1/restart", first))
    made.us += SECOND
    made.give(order(made, "level", "p-2/restart", second))
    made.give(merged("p-1", "p-2"))
    assert ask(made, "p-2", "e1").level == "observe"


def test_an_order_from_before_a_merge_that_is_written_again_raises_nothing() -> None:
    made = bench()
    raising, lowering = (
        order(made, "level", f"{name}/restart", to) for name, to in (("p-1", "act"), ("p-2", "observe"))
    )
    made.give(msgspec.structs.replace(lowering, time_us=made.us - 1), raising, merged("p-1", "p-2"))
    made.us += SECOND
    made.give(msgspec.structs.replace(raising, id="again"))
    assert ask(made, "p-2", "e1").level == "observe"


def test_a_merge_that_would_close_a_circle_changes_nothing() -> None:
    made = bench(pattern_limit="2/hour")
    ask(made, "p-1", "e1")
    made.give(merged("p-1", "p-2"), merged("p-2", "p-1"))
    assert spent_of(ask(made, "p-2", "e1"), "pattern-budget") == (1, 2)


def test_a_pattern_that_is_only_told_of_joins_nothing() -> None:
    made = bench(pattern_limit="2/hour")
    ask(made, "p-1", "e1")
    told: Pattern = msgspec.structs.replace(merged("p-1", "p-2"), status="recurring", alias_of=None)
    assert made.give(told) == []
    assert spent_of(ask(made, "p-2", "e1"), "pattern-budget") == (0, 2)


def test_of_too_many_merged_patterns_the_one_merged_longest_ago_is_forgotten_of_which_nothing_was_ordered() -> None:
    names = Names(2)
    for number in range(4):
        names.join(f"p-{number}", "p-9", {"p-0"})
    assert names.state() == [("p-0", "p-9"), ("p-3", "p-9")]
    assert names.scopes("p-3") == ("pattern:p-9", "pattern:p-0", "pattern:p-3")


def test_a_merged_pattern_that_is_forgotten_is_told_to_be_free_with_the_others() -> None:
    made = Bench(
        settings=GateSettings(), levels=msgspec.structs.replace(ACT, pairs=1), actions=ENDLESS
    )  # so many names are known
    made.start()
    made.give(order(made, "pause", "pattern:p-3", "paused"))
    known: dict[str, int] = {}
    for old in ("p-1", "p-2"):
        known |= blocked(made.give(msgspec.structs.replace(merged(old, "p-3"), id=old)))
    known |= blocked(made.give(order(made, "pause", "pattern:p-3", "running")))
    assert {scope: us for scope, us in known.items() if us == 0 or us > made.us} == {}
