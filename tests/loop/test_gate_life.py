"""What the gate makes of what happens: ends, orders, persons' proposals, and its own state."""

import msgspec
import pytest

from schemas.errors import RecoveryError
from schemas.events import NONE, Action, Blocked
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings
from tests.loop.gate_bench import (
    ACT,
    HOUR,
    SECOND,
    START,
    Bench,
    actions,
    census,
    check_of,
    closed,
    control,
    fail,
    opened,
    outcome,
    proposal,
    ready,
    spend,
    spent_of,
    verdicts,
)


@pytest.mark.parametrize("state", ["succeeded", "failed", "refused", "unknown"])
def test_an_end_frees_the_entity_a_claim_does_not_and_a_second_end_changes_nothing(state: str) -> None:
    bench = ready()
    (action,) = actions(bench.give(proposal("p1")))
    bench.give(outcome(action, "claimed"))
    assert verdicts(bench.give(proposal("p2")))[0].decided_by == "in-flight"
    bench.give(outcome(action, state))
    before = bench.gate.snapshot()
    bench.us += SECOND
    bench.give(outcome(action, state), outcome(action, "failed"))
    assert bench.gate.snapshot() == before
    bench.us += 10 * SECOND
    assert verdicts(bench.give(proposal("p3", time_us=bench.us)))[0].verdict == "allow"


def test_only_who_claimed_an_action_first_can_end_it() -> None:
    bench = ready()
    (action,) = actions(bench.give(proposal("p1")))
    bench.give(outcome(action, "claimed"), outcome(action, "claimed", executor="x-2"))
    bench.give(outcome(action, "refused", executor="x-2"), outcome(action, "succeeded", executor="x-2"))
    assert verdicts(bench.give(proposal("p2")))[0].decided_by == "in-flight"
    bench.give(outcome(action, "succeeded"))
    assert verdicts(bench.give(proposal("p3")))[0].decided_by == "cooldown"


def test_an_action_that_nobody_ends_counts_as_unknown_after_expiry_and_timeout() -> None:
    bench = ready(failed_least=1)
    (action,) = actions(bench.give(proposal("p1")))
    due_us = action.expires_us + 60 * SECOND
    assert bench.gate.next_time() == due_us
    bench.us = due_us - 1
    assert bench.tick() == []
    bench.us = due_us
    (blocked,) = bench.tick()
    assert isinstance(blocked, Blocked)
    assert blocked.until_us == {"action:restart": 0, "entity:e0": due_us + 10 * SECOND}
    assert blocked.breakers == {"action:restart": due_us}
    assert bench.gate.next_time() is None
    bench.us += 11 * SECOND
    (verdict,) = verdicts(bench.give(proposal("p2", time_us=bench.us)))
    assert verdict.decided_by == "failures"


def test_bad_ends_halve_the_actions_limit_until_a_person_rearms_it() -> None:
    bench = ready(failed_least=2, failed_window_us=2 * SECOND, rearm="auto")
    fail(bench, 2)
    bench.us += 20 * SECOND
    (verdict,) = verdicts(bench.give(proposal("p1", time_us=bench.us)))
    assert (verdict.decided_by, *spent_of(verdict, "action-budget")) == ("action-budget", 2, 2)
    bench.give(control("rearm", "action:restart", ""))
    (verdict,) = verdicts(bench.give(proposal("p2", time_us=bench.us)))
    assert (verdict.verdict, *spent_of(verdict, "action-budget")) == ("allow", 2, 5)


def test_nothing_runs_before_control_said_so_and_settings_were_activated() -> None:
    bench = Bench(levels=ACT)
    bench.give(opened("e0"))
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert [check.name for check in verdict.checks if not check.passed] == ["pause", "settings"]
    bench.give(control("pause", "loop", "running"))
    assert verdicts(bench.give(proposal("p2")))[0].decided_by == "settings"


def test_a_pause_with_an_end_ends_and_an_old_record_seen_again_orders_nothing() -> None:
    bench = ready()
    resumed = control("pause", "entity:e0", "running")
    bench.give(resumed, msgspec.structs.replace(control("pause", "entity:e0", "paused"), until_us=bench.us + SECOND))
    bench.give(resumed)
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert (verdict.decided_by, verdict.retry_after_us) == ("pause", bench.us + SECOND)
    bench.us += SECOND
    assert verdicts(bench.give(proposal("p2")))[0].verdict == "allow"


def test_a_stop_holds_until_it_is_rearmed_whatever_is_resumed() -> None:
    bench = ready()
    bench.give(control("stop", "loop", ""), control("pause", "loop", "running"))
    assert verdicts(bench.give(proposal("p1")))[0].decided_by == "pause"
    bench.give(control("rearm", "loop", ""))
    assert verdicts(bench.give(proposal("p2")))[0].verdict == "allow"


def test_what_limits_block_is_told_at_every_change_and_only_then() -> None:
    bench = Bench(settings=GateSettings(loop_limit="1/hour"), levels=ACT)
    (told,) = bench.give(census(abnormal=0, live=10))
    assert isinstance(told, Blocked)
    assert told.until_us == {"loop": 0}
    assert bench.give(census(abnormal=1, live=10, time_us=START + 1)) == []
    running = bench.give(control("pause", "loop", "running"), control("settings", "loop", bench.hash), opened("e0"))
    assert [event.until_us for event in running if isinstance(event, Blocked)] == [{"loop": bench.us}]
    spent_us = bench.us
    _, action, told = bench.give(proposal("p1"))
    assert isinstance(told, Blocked)
    assert told.until_us == {"entity:e0": 0, "loop": spent_us + HOUR}
    bench.us += SECOND
    assert isinstance(action, Action)
    (told,) = bench.give(outcome(action, "succeeded"))
    assert isinstance(told, Blocked)
    assert told.until_us == {"entity:e0": bench.us + 10 * SECOND}
    bench.us = spent_us + HOUR
    assert bench.give(census(abnormal=0, live=10, time_us=bench.us)) == []


def test_state_survives_bit_for_bit_and_edited_limits_give_no_fresh_allowance() -> None:
    bench = ready()
    spend(bench, 5)
    snapshot = bench.gate.snapshot()
    wider = {"restart": ActionSettings(name="restart", limit="7/hour", parameters={})}
    other = Gate(GateSettings(), loop="lab", settings_hash=bench.hash, actions=wider, levels=ACT)
    other.restore(snapshot)
    assert other.snapshot() == snapshot
    bench.gate = other
    (verdict,) = verdicts(bench.give(proposal("p1", time_us=bench.us)))
    assert spent_of(verdict, "action-budget") == (5, 7)
    bench.give(control("pause", "loop", "paused"), control("pause", "loop", "running"))
    (verdict,) = verdicts(bench.give(proposal("p2", time_us=bench.us, entity="e7", episode="episode-e7")))
    assert spent_of(verdict, "action-budget") == (6, 7)


def test_a_control_record_and_an_outcome_seen_again_change_nothing() -> None:
    bench = ready()
    (action,) = actions(bench.give(proposal("p1")))
    records = (control("level", "p-1/restart", "approve"), outcome(action, "succeeded"))
    bench.give(*records)
    before = bench.gate.snapshot()
    assert bench.give(*records) == []
    assert bench.gate.snapshot() == before


def test_an_action_that_a_person_settles_has_ended_and_what_comes_later_counts_no_more() -> None:
    bench = ready()
    (action,) = actions(bench.give(proposal("p1")))
    bench.give(outcome(action, "claimed"))
    bench.give(control("settle", "another", "failed"), control("settle", action.id, "done"))
    assert verdicts(bench.give(proposal("p2")))[0].decided_by == "in-flight"
    bench.give(control("settle", action.id, "failed"))
    before = bench.gate.snapshot()
    bench.give(outcome(action, "succeeded"))
    assert bench.gate.snapshot() == before
    (verdict,) = verdicts(bench.give(proposal("p3")))
    assert (verdict.decided_by, check_of(verdict, "failures").detail) == (
        "cooldown",
        "1 of 1 ends were failed or unknown",
    )


ASKED_BY_HAND: list[dict[str, object]] = [{}, {"episode": "", "pattern": "novel"}]


@pytest.mark.parametrize("fields", ASKED_BY_HAND)
def test_what_a_person_proposes_another_must_approve_however_free_the_loop_is(fields: dict[str, object]) -> None:
    bench = ready()
    (verdict,) = verdicts(bench.give(proposal("p1", by="bob", **fields)))
    assert (verdict.verdict, verdict.level) == ("escalate", "approve")
    bench.give(control("level", "*/restart", "observe"))
    (verdict,) = verdicts(bench.give(proposal("p2", by="bob", **fields)))
    assert (verdict.verdict, verdict.level) == ("shadow", "observe")


def test_of_too_many_episodes_those_that_are_over_are_forgotten_first() -> None:
    bench = Bench(settings=GateSettings(tracked=4), levels=ACT)
    bench.give(control("settings", "loop", bench.hash), control("pause", "loop", "running"))
    bench.give(opened("e0"), opened("e1"), closed("e1"), opened("e2"), opened("e3"))
    bench.give(opened("e4"))
    answers = {name: ask_for(bench, name) for name in ("e0", "e1", "e4")}
    assert answers == {"e0": None, "e1": "episode", "e4": None}
    bench.give(opened("e5"))
    assert (ask_for(bench, "e0"), ask_for(bench, "e5")) == ("episode", None)


def ask_for(bench: Bench, entity: str) -> str | None:
    """Propose for an entity, by itself, and return what decided."""
    one = proposal(f"for-{entity}-{bench.us}", entity=entity, episode=f"episode-{entity}", action="failover")
    bench.us += 1
    failed = [check.name for check in verdicts(bench.give(one))[0].checks if not check.passed]
    return "episode" if "episode" in failed else None


def test_one_proposal_from_the_future_does_not_make_those_of_the_present_too_old() -> None:
    bench = ready(remembered=1, clock_skew_us=SECOND)
    bench.give(proposal("ahead", time_us=bench.us + 1_000 * HOUR), proposal("x", action=NONE))
    bench.us += 2 * SECOND
    (verdict,) = verdicts(bench.give(proposal("p1", time_us=bench.us)))
    assert verdict.verdict == "allow"
    bench.us += 2 * SECOND
    bench.give(proposal("y", action=NONE, time_us=bench.us))
    (again,) = verdicts(bench.give(proposal("p1", time_us=bench.us - 2 * SECOND)))
    assert (again.decided_by, again.checks[0].detail) == (
        "duplicate",
        "decided before; its verdict is no longer remembered",
    )


def test_proposals_of_one_time_are_no_duplicates_of_each_other_however_few_verdicts_are_kept() -> None:
    bench = ready(remembered=10)
    many = [proposal(f"q{number}", action=NONE) for number in range(1_500)]
    assert {verdict.verdict for verdict in verdicts(bench.give(*many))} == {"allow"}
    (again,) = verdicts(bench.give(many[0]))
    assert again.decided_by == "duplicate"


FIRST_VERSION: dict[str, object] = {
    "version": 1,
    "orders": {"pauses": {"loop": [False, None, 1]}, "stops": [], "levels": {}, "activated": "own", "heard": ["c1"]},
    "field": {
        "episodes": {"episode-e0": True},
        "shares": {"0/": [10, 1, 1]},
        "in_flight": {"a1": ["restart", "e0", 9, None]},
        "cooldowns_us": {},
        "ends": {},
    },
    "windows": [{"loop": [1]}, {}, {}],
    "recorded": [],
    "forgotten_us": -1,
    "escalations": {},
    "published": {"loop": 0},
}
"""A state as the gate of the first release wrote it."""


@pytest.mark.parametrize("state", [FIRST_VERSION, {"version": 99}, {}])
def test_a_state_of_another_version_is_refused_with_what_to_do(state: dict[str, object]) -> None:
    bench = ready()
    before = bench.gate.snapshot()
    with pytest.raises(RecoveryError, match=r"version 9, got \d+: .* `flyball recover --role gate --accept-loss`"):
        bench.gate.restore(msgspec.msgpack.encode(state))
    assert bench.gate.snapshot() == before
