"""Where several groups of executors do an action, it is under way until all that began it have ended it."""

import msgspec
import pytest

from schemas.events import Action, Outcome, Proposal
from streams.loop.gate.book import GROUP_KEPT_US
from streams.loop.gate.state import read_state
from streams.loop.groups import GROUPS_MAX
from tests.loop.gate_bench import ACTIONS, HOUR, SECOND, Bench, actions, outcome, proposal, ready, verdicts
from tests.loop.levels_bench import GOOD, LevelBench


def said(action: Action, group: str, state: str) -> Outcome:
    """Return what the one executor of a group says of an action; those of all groups have the same name."""
    return msgspec.structs.replace(outcome(action, state), id=f"{action.id}/{group}/{state}", group=group)


def wanted(bench: Bench, name: str) -> Proposal:
    return proposal(name, time_us=bench.us, expires_us=bench.us + HOUR)


def begun(bench: Bench, name: str = "p1") -> Action:
    (action,) = actions(bench.give(wanted(bench, name)))
    return action


def is_free(bench: Bench) -> bool:
    """Return whether another action on the same entity would be let through, but for its cooldown."""
    bench.us += SECOND
    (verdict,) = verdicts(bench.give(wanted(bench, f"again-{bench.us}")))
    failed = {check.name for check in verdict.checks if not check.passed}
    assert failed <= {"in-flight", "cooldown"}
    return "in-flight" not in failed


def cooldowns(bench: Bench) -> set[str]:
    return set(read_state(bench.gate.snapshot()).field.cooldowns_us)


def heard_of(bench: Bench, *groups: str) -> None:
    """Let some groups claim and refuse an action, after which its entity is free."""
    action = begun(bench, f"before-{bench.us}")
    bench.give(*(said(action, group, "claimed") for group in groups))
    bench.give(*(said(action, group, "refused") for group in groups))
    bench.us += SECOND


@pytest.mark.parametrize("first", ["refused", "succeeded", "failed", "unknown"])
def test_the_end_in_one_group_frees_nothing_while_another_group_runs_it(first: str) -> None:
    bench = ready(entity_attempts="10/hour")
    action = begun(bench)
    bench.give(said(action, "valves", "claimed"), said(action, "default", "claimed"), said(action, "valves", first))
    assert not is_free(bench)
    assert cooldowns(bench) == set()
    bench.give(said(action, "default", "succeeded"))
    assert cooldowns(bench) == {"e0"}
    assert is_free(bench)


@pytest.mark.parametrize("claims", [True, False])
def test_a_refusal_by_one_group_frees_nothing_before_the_others_have_said_something(claims: bool) -> None:
    bench = ready(entity_attempts="10/hour")
    heard_of(bench, "valves", "default")
    action = begun(bench)
    bench.give(*([said(action, "valves", "claimed")] if claims else []), said(action, "valves", "refused"))
    assert not is_free(bench)
    bench.give(said(action, "default", "claimed"))
    assert not is_free(bench)
    bench.give(said(action, "default", "succeeded"))
    assert is_free(bench)


def test_what_all_groups_refuse_is_over_and_cools_nothing_down() -> None:
    bench = ready(entity_attempts="10/hour")
    heard_of(bench, "valves", "default")
    action = begun(bench)
    bench.give(said(action, "valves", "refused"), said(action, "default", "refused"))
    assert is_free(bench)
    assert cooldowns(bench) == set()


def test_what_one_group_refused_and_nobody_began_is_given_up_as_late_as_any_other_as_if_it_never_ran() -> None:
    bench = ready(entity_attempts="10/hour", failed_least=1)
    heard_of(bench, "valves", "default")
    action = begun(bench)
    due_us = bench.gate.next_time()
    bench.give(said(action, "valves", "refused"))
    assert due_us is not None
    assert due_us > action.expires_us
    assert bench.gate.next_time() == due_us
    bench.us = due_us
    bench.tick()
    state = read_state(bench.gate.snapshot())
    assert (state.field.in_flight, state.field.cooldowns_us, state.tripped_us) == ({}, {}, {})


def test_a_claim_that_was_made_in_time_and_is_heard_once_the_action_has_expired_finds_no_second_one_under_way() -> None:
    bench = ready(entity_attempts="10/hour")
    heard_of(bench, "valves", "default")
    action = begun(bench)
    bench.give(said(action, "valves", "refused"))
    bench.us = action.expires_us + SECOND
    bench.tick()  # timers go before records
    assert not is_free(bench)
    bench.give(said(action, "default", "claimed"))
    assert not is_free(bench)
    bench.give(said(action, "default", "succeeded"))
    assert is_free(bench)


def test_a_group_that_does_other_actions_is_not_waited_for() -> None:
    bench = ready(entity_attempts="10/hour")
    bench.us += ACTIONS["failover"].wait_us
    (action,) = actions(bench.give(msgspec.structs.replace(wanted(bench, "other"), action="failover")))
    bench.give(said(action, "valves", "claimed"), said(action, "valves", "refused"))
    bench.us += SECOND
    heard_of(bench, "default")
    bench.give(said(begun(bench), "default", "refused"))
    assert is_free(bench)


def test_of_an_action_that_is_no_longer_declared_no_group_is_remembered() -> None:
    bench = ready(entity_attempts="10/hour")
    heard_of(bench, "default", "valves")
    fewer = Bench(actions={"failover": ACTIONS["failover"]})
    fewer.gate.restore(bench.gate.snapshot())
    assert set(read_state(bench.gate.snapshot()).field.groups) == {"restart"}
    assert read_state(fewer.gate.snapshot()).field.groups == {}


def test_a_group_that_was_not_heard_of_for_long_is_not_waited_for() -> None:
    bench = ready(entity_attempts="10/hour")
    heard_of(bench, "gone", "default")
    bench.us += GROUP_KEPT_US
    heard_of(bench, "default")
    bench.give(said(begun(bench), "default", "refused"))
    assert is_free(bench)


@pytest.mark.parametrize("first", ["refused", "succeeded"])
def test_what_another_group_claims_after_its_end_is_under_way_again(first: str) -> None:
    bench = ready(entity_attempts="10/hour")
    action = begun(bench)
    bench.give(said(action, "default", "claimed"), said(action, "default", first), said(action, "late", "claimed"))
    assert not is_free(bench)
    bench.give(said(action, "late", "succeeded"))
    assert is_free(bench)


def test_what_is_claimed_once_nobody_may_begin_it_any_more_is_not_under_way_again() -> None:
    bench = ready(entity_attempts="10/hour")
    action = begun(bench)
    due_us = bench.gate.next_time()
    assert due_us is not None
    bench.give(said(action, "default", "claimed"), said(action, "default", "succeeded"))
    bench.us = due_us
    bench.give(said(action, "late", "claimed"))
    assert is_free(bench)


@pytest.mark.parametrize(
    ("heard", "counted"),
    [
        # group and what it says, one word a second; whether the end that counts is bad
        ("a+ av b+ bv", [False]),
        ("a+ av b+ b0", [False]),
        ("a+ av b+ b-", [True]),
        ("a+ av b+ bv c+ c-", [True]),
        ("a+ a- b+ b0", [True]),
        ("a+ a- b+ bv", [True]),
        ("a+ a- b+ b?", [True]),
        ("a+ a0 b+ b-", [True]),
        ("a+ a0 b+ b0", []),
        ("a+ b+ av b-", [True]),
    ],
)
def test_an_action_counts_once_by_its_worst_end_whoever_claims_it_late(heard: str, counted: list[bool]) -> None:
    states = {"+": "claimed", "v": "succeeded", "-": "failed", "?": "unknown", "0": "refused"}
    bench = ready(entity_attempts="10/hour")
    action = begun(bench)
    for group, sign in heard.split():
        bench.us += SECOND
        bench.give(said(action, group, states[sign]))
        bench.gate.restore(bench.gate.snapshot())
    state = read_state(bench.gate.snapshot())
    assert [end.bad for end in state.ends.get("restart", [])] == counted
    assert state.field.in_flight == {}


def test_what_is_claimed_late_and_never_ended_counts_once_as_ended_badly() -> None:
    bench = ready(entity_attempts="10/hour", failed_least=1)
    action = begun(bench)
    due_us = bench.gate.next_time()
    assert due_us is not None
    bench.give(
        said(action, "default", "claimed"), said(action, "default", "succeeded"), said(action, "late", "claimed")
    )
    bench.us = due_us
    bench.tick()
    state = read_state(bench.gate.snapshot())
    assert [end.bad for end in state.ends["restart"]] == [True]
    assert set(state.tripped_us) == {"restart"}


def test_the_worst_end_of_all_groups_counts() -> None:
    bench = ready(entity_attempts="10/hour", failed_least=1)
    action = begun(bench)
    bench.give(said(action, "default", "claimed"), said(action, "valves", "claimed"))
    bench.give(said(action, "default", "succeeded"), said(action, "valves", "failed"))
    assert set(read_state(bench.gate.snapshot()).tripped_us) == {"restart"}


def test_a_level_is_earned_by_what_ended_well_in_all_groups() -> None:
    bench = LevelBench(default="act")
    verdict = bench.decide("recycle")
    (action,) = bench.started
    bench.give(said(action, "default", "claimed"), said(action, "valves", "claimed"))
    bench.give(said(action, "default", "succeeded"), said(action, "valves", "unknown"))
    bench.learn(verdict, GOOD)
    (pair,) = (one for one in read_state(bench.gate.snapshot()).ladder.pairs if one.action == "recycle")
    assert (pair.outcomes, pair.missing) == (0, 1)


def test_what_is_known_of_groups_is_bounded() -> None:
    bench = ready(entity_attempts="10/hour", tracked=10)
    action = begun(bench)
    bench.give(*(said(action, f"g{number}", "claimed") for number in range(GROUPS_MAX + 10)))
    field = read_state(bench.gate.snapshot()).field
    assert (len(field.groups["restart"]), len(field.in_flight[action.id].said)) == (GROUPS_MAX, GROUPS_MAX)
    for number in range(GROUPS_MAX):
        assert len(read_state(bench.gate.snapshot()).field.in_flight) == 1
        bench.give(said(action, f"g{number}", "succeeded"))
    field = read_state(bench.gate.snapshot()).field
    assert (field.in_flight, list(field.ended)) == ({}, [action.id])


def test_as_many_actions_that_ended_are_remembered_as_entities_are_followed() -> None:
    bench = ready(tracked=10)
    for number in range(12):
        entity = f"e{number % 10}"
        one = proposal(f"p{number}", entity=entity, episode=f"episode-{entity}", time_us=bench.us)
        for action in actions(bench.give(one)):
            bench.give(said(action, "default", "refused"))
    assert 0 < len(read_state(bench.gate.snapshot()).field.ended) <= 10
