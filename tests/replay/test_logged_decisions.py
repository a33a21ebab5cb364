"""The loop's own decisions in a log, as columns."""

import numpy as np
import pytest

from schemas.events import Event, HoldOut, Proposal
from streams.replay.logged_decisions import FADING, Record, Table, procedure, read_decisions, tabulate
from tests.loop.decided import SHARES, experience, proposal, verdict

CHANCES = {"none": 0.1, "recycle": 0.3, "restart": 0.6}
COSTS = {"recycle": 0.2, "restart": 0.1}


def asked(name: str, action: str = "recycle", **fields: object) -> Proposal:
    given = {"id": name, "entity": f"of-{name}", "probabilities": CHANCES, "propensity": 0.6 * CHANCES["recycle"]}
    return proposal(action, **(given | fields))  # type: ignore[arg-type]


def tabulated(*events: Event, baseline: str = "restart") -> Table:
    return tabulate(read_decisions(events), baseline=baseline, costs=COSTS)


def test_propensities_are_those_of_the_whole_procedure() -> None:
    assert procedure(asked("a"), "restart") == pytest.approx({"none": 0.26, "recycle": 0.18, "restart": 0.56})


def test_a_baseline_that_is_blocked_does_nothing() -> None:
    one = asked("a", probabilities={"none": 0.25, "recycle": 0.75})
    assert procedure(one, "restart") == pytest.approx({"none": 0.15 + 0.4, "recycle": 0.45})


def test_what_happened_counts_and_the_last_word_on_it() -> None:
    one = asked("a")
    (found,) = read_decisions(
        [
            verdict(one),
            experience(one, "defaulted", 0.1),
            experience(one, "late", 0.9, effective="none", retracted_reward=0.1),
        ]
    ).decided
    assert (found.happened, found.reward) == ("none", 0.9)


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


def test_open_decisions_and_those_of_people_are_counted_not_used() -> None:
    mine, open_one, theirs = asked("a"), asked("b"), asked("c", by="kim", hold_out=None)
    found = read_decisions([verdict(mine), verdict(open_one), verdict(theirs), experience(mine), experience(theirs)])
    assert ([one.proposal.id for one in found.decided], found.open, found.by_people) == (["a"], 1, 1)


def test_what_the_loop_did_for_a_life_as_a_whole_is_no_decision_of_this_kind() -> None:
    one, life = asked("a"), asked("b", episode="", probabilities={"recycle": 1.0, "none": 0.0})
    record = read_decisions([verdict(one), experience(one), verdict(life), experience(life)])
    assert [found.proposal.id for found in record.decided] == ["a"]
    assert record.open == 0


def test_what_a_person_did_in_a_proposals_place_is_what_happened() -> None:
    denied = asked("a", episode="e7")
    done = asked("c", action="restart", episode="e7", by="kim", hold_out=None)
    both = asked("b", episode="e8")
    too = asked("d", action="restart", episode="e8", by="kim", hold_out=None)
    early = asked("e", episode="e7")
    found = read_decisions(
        [
            verdict(early),
            experience(early, reward=0.6, decided_us=9),
            verdict(denied, "deny"),
            experience(denied, "censored", None, effective="none", decided_us=1),
            verdict(done),
            experience(done, reward=0.7, decided_us=5),
            verdict(both),
            experience(both, reward=0.4, decided_us=1),
            verdict(too),
            experience(too, reward=0.4, decided_us=5),
        ]
    ).decided
    told = {one.proposal.id: (one.happened, one.reward) for one in found}
    assert told == {"a": ("restart", 0.7), "b": ("recycle", None), "e": ("recycle", 0.6)}


def test_rewards_are_scaled_by_the_costs_and_back() -> None:
    best, worst = asked("a"), asked("b")
    table = tabulated(verdict(best), experience(best, reward=1.0), verdict(worst), experience(worst, reward=-0.2))
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


def test_how_often_an_action_was_let_through_lately_on_the_pattern_is_a_column_each() -> None:
    denied, later, elsewhere = asked("a"), asked("b"), asked("c", pattern="p-2")
    refused = experience(denied, "censored", None, effective="none", verdict="deny")
    log = tabulated(
        verdict(denied, "deny"), refused, verdict(later), experience(later), verdict(elsewhere), experience(elsewhere)
    ).log
    assert log.features[:, -2:].tolist() == [[1.0, 1.0], [FADING, 1.0], [1.0, 1.0]]  # of recycle and restart


def test_a_log_without_decisions_is_a_table_without_rows() -> None:
    table = tabulate(Record(decided=[], open=0, by_people=0), baseline="restart", costs=COSTS)
    assert (len(table.log), table.log.logged.shape) == (0, (0, 3))
    assert np.isnan(table.log.rewards).all()
