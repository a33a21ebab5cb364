"""The loop's own decisions in a log, as columns."""

import numpy as np
import pytest

from schemas.events import Check, Event, HoldOut, Proposal
from streams.replay.ended_decisions import Decided, Record, read_decisions
from streams.replay.logged_decisions import FADING, MOST_CELLS, MOST_DECISIONS, Table, procedure, tabulate
from tests.bench.ope_attempts import of_attempts
from tests.loop.decided import SHARES, S, experience, proposal, verdict

CHANCES = {"none": 0.1, "recycle": 0.3, "restart": 0.6}
COSTS = {"recycle": 0.2, "restart": 0.1}


def asked(name: str, action: str = "recycle", **fields: object) -> Proposal:
    given = {
        "id": name,
        "episode": f"e-{name}",
        "entity": f"of-{name}",
        "probabilities": CHANCES,
        "propensity": 0.6 * CHANCES["recycle"],
    }
    return proposal(action, **(given | fields))  # type: ignore[arg-type]


def tabulated(*events: Event, baseline: str = "restart") -> Table:
    return tabulate(read_decisions(events, horizon_us=15 * S, wait_us=600 * S), baseline=baseline, costs=COSTS)


def test_propensities_are_those_of_the_whole_procedure() -> None:
    assert procedure(asked("a"), "restart") == pytest.approx({"none": 0.26, "recycle": 0.18, "restart": 0.56})


def test_a_baseline_that_is_blocked_does_nothing() -> None:
    one = asked("a", probabilities={"none": 0.25, "recycle": 0.75})
    assert procedure(one, "restart") == pytest.approx({"none": 0.15 + 0.4, "recycle": 0.45})


def test_denied_and_unmeasured_decisions_stay_without_a_reward() -> None:
    denied, lost = asked("a"), asked("b")
    table = tabulated(
        verdict(denied, "deny"),
        experience(denied, "censored", None, effective="none", verdict="deny"),
        verdict(lost),
        experience(lost, "unobservable", None),
    )
    assert not table.log.seen.any()
    assert [table.actions[number] for number in table.log.proposed] == ["recycle", "recycle"]
    assert [table.actions[number] for number in table.log.happened] == ["none", "recycle"]


def test_rewards_are_scaled_by_the_costs_and_back() -> None:
    best, worst = asked("a"), asked("b")
    table = tabulated(
        verdict(best), experience(best, reward=1.0), verdict(worst), experience(worst, reward=-0.2, cost=0.2)
    )
    assert table.log.rewards.tolist() == [1.0, 0.0]
    assert [table.reward(share) for share in (0.0, 1.0)] == [-0.2, 1.0]


def test_decisions_of_another_baseline_and_those_before_are_left_out() -> None:
    now = [asked(f"n{number}") for number in range(3)]
    before = asked("old", action="shed", probabilities={"none": 0.5, "shed": 0.5}, propensity=0.5)
    first = asked("first")
    table = tabulated(*(event for one in (first, before, *now) for event in (verdict(one), experience(one))))
    assert table.before == 2
    assert len(table.decided) == 3
    assert "shed" not in table.actions


def test_without_a_hold_out_the_loop_chooses_alone() -> None:
    one = asked("a", hold_out=None, propensity=0.3)
    assert tabulated(verdict(one), experience(one)).log.logged[0].tolist() == pytest.approx([0.1, 0.3, 0.6])
    whole = HoldOut(draw=0.0, arm="loop", shares=SHARES)
    assert procedure(asked("b", hold_out=whole), "restart")["restart"] == pytest.approx(0.56)


def test_patterns_and_features_are_columns_and_what_is_not_finite_is_0() -> None:
    one = asked("a", features={"x": float("nan"), "y": 0.5})
    other = asked("b", pattern="p-2", features={"y": 1.0})
    log = tabulated(verdict(one), experience(one), verdict(other), experience(other)).log
    assert log.features[:, :5].tolist() == [[1.0, 1.0, 0.0, 0.0, 0.5], [1.0, 0.0, 1.0, 0.0, 1.0]]


def valued(count: int, unit: float) -> Table:
    """Return decisions with the value of a metric in some unit, which every fifth one lacks."""
    loads = [{"other:load": unit * (200.0 + 40.0 * (number * 37 % 11 - 5))} for number in range(count)]
    mine = [
        asked(f"d{number:03d}", features={"x": 0.5} | (load if number % 5 else {})) for number, load in enumerate(loads)
    ]
    return tabulated(*(event for one in mine for event in (verdict(one), experience(one))))


def test_values_of_metrics_count_alike_in_whatever_unit_they_are() -> None:
    features, wide = valued(200, 1.0).log.features, valued(200, 1e9).log.features
    assert wide == pytest.approx(features)
    assert features[:, 2].tolist() == [0.5] * 200
    load = features[1:, 3]
    assert 0.3 < load.std() < 1.0
    assert np.abs(load).max() < 2.0
    assert features[5::5, 3].tolist() == [0.0] * 39  # those without one


def test_a_value_is_scaled_by_what_came_before_it() -> None:
    assert np.array_equal(valued(200, 1.0).log.features[:60], valued(60, 1.0).log.features)


def test_how_often_an_action_was_let_through_lately_on_the_pattern_is_a_column_each() -> None:
    denied, later, elsewhere = asked("a"), asked("b"), asked("c", pattern="p-2")
    refused = experience(denied, "censored", None, effective="none", verdict="deny")
    log = tabulated(
        verdict(denied, "deny"), refused, verdict(later), experience(later), verdict(elsewhere), experience(elsewhere)
    ).log
    assert log.features[:, -2:].tolist() == [[1.0, 1.0], [FADING, 1.0], [1.0, 1.0]]  # of recycle and restart


def test_so_many_actions_that_no_decision_fits_leave_one() -> None:
    mine = [asked(name) for name in "ab"]
    costs = {f"action-{number}": 0.1 for number in range(3_200)}
    record = Record(decided=[Decided(proposal=one, happened="none", reward=0.5) for one in mine])
    table = tabulate(record, baseline="restart", costs=costs)
    assert ([one.proposal.id for one in table.decided], table.older) == (["b"], 1)


def test_what_came_later_in_its_place_is_an_outcome_of_its_own_and_no_action_to_be_let_through() -> None:
    mine = asked("a")
    record = Record(decided=[Decided(proposal=mine, happened="restart later", reward=0.5)])
    table = tabulate(record, baseline="restart", costs=COSTS)
    assert table.actions == ("none", "recycle", "restart", "restart later")
    assert table.log.logged[0, 3] == 0.0
    assert table.log.features[0, -2:].tolist() == [1.0, 1.0]  # of recycle and restart alone


def stopped(one: Proposal) -> tuple[Event, Event]:
    checks = (Check(name="exploration", passed=False),)
    return verdict(one, "deny", checks=checks), experience(one, "censored", None, effective="none", verdict="deny")


def test_an_action_that_may_not_always_explore_is_another_where_it_does() -> None:
    explores = asked("a")
    best = asked("b", action="restart", propensity=0.56)
    held = HoldOut(draw=0.7, arm="baseline", shares=SHARES)
    baseline = asked("c", action="restart", propensity=0.56, hold_out=held)
    table = tabulated(
        *stopped(explores), *(told for one in (best, baseline) for told in (verdict(one), experience(one)))
    )
    assert (table.actions, table.apart, table.log.apart) == (("none", "recycle", "restart"), ("recycle",), (1,))
    assert table.log.logged[0].tolist() == pytest.approx([0.26, 0.0, 0.56, 0.18])
    assert (table.log.explores.tolist(), table.log.stopped.tolist()) == ([True, False, False], [True, False, False])
    assert table.targets([table.explored(CHANCES), {"recycle": 1.0}]).tolist() == [[0.1, 0.0, 0.6, 0.3], [0, 1.0, 0, 0]]
    likeliest = {"none": 0.2, "recycle": 0.5, "restart": 0.3}
    assert table.explored(likeliest) == likeliest


def test_what_explored_and_was_let_through_is_no_other_action_where_nothing_was_stopped() -> None:
    one = asked("a")
    passed = verdict(one, checks=(Check(name="exploration", passed=True),))
    table = tabulated(passed, experience(one))
    assert (table.apart, table.log.logged.shape) == ((), (1, 3))
    assert not table.log.explores.any()


def test_how_often_it_might_explore_lately_is_a_column_and_no_denial_of_the_action() -> None:
    names = "abcd"
    events = (
        stopped(asked(name)) if name in "bd" else (verdict(asked(name)), experience(asked(name))) for name in names
    )
    log = tabulated(*(event for pair in events for event in pair)).log
    assert log.features[:, -3:-1].tolist() == [[1.0, 1.0]] * 4  # of recycle and restart
    assert log.features[:, -1].tolist() == pytest.approx([1.0, 1.0, FADING, FADING * FADING + 1.0 - FADING])


def test_as_many_decisions_are_looked_at_as_the_help_says() -> None:
    """With five actions each may be tried, and come later; with six they are fewer."""
    assert MOST_CELLS // (11 * 16) >= MOST_DECISIONS > MOST_CELLS // (13 * 19)


def test_a_log_without_decisions_is_a_table_without_rows() -> None:
    table = tabulate(Record(decided=[]), baseline="restart", costs=COSTS)
    assert (len(table.log), table.log.logged.shape) == (0, (0, 3))
    assert np.isnan(table.log.rewards).all()


def test_episodes_are_decisions_and_attempts_are_not() -> None:
    """Another attempt keeps the arm, mostly one that acts: its propensity of doing nothing is not what is logged."""
    found = {(row.case, row.system, row.metric): row.value for row in of_attempts(8)}
    for case in ("attempts none", "attempts restart"):
        assert found[case, "flyball", "coverage"] == 1.0
        assert abs(found[case, "flyball", "bias"]) < 0.02
    assert found["attempts none", "repeats", "coverage"] == 0.0
    assert found["attempts none", "repeats", "bias"] > 0.05
