"""Which decisions of a log have ended, and what became of each."""

import pytest

from schemas.events import Check, Event, Proposal
from streams.replay.ended_decisions import Record, read_decisions
from streams.replay.episodes import MOST_PROPOSALS
from tests.loop.decided import START, S, at, experience, proposal, verdict

HORIZON_S, WAIT_S = 10, 600


def asked(name: str, action: str = "recycle", **fields: object) -> Proposal:
    given = {"id": name, "episode": f"e-{name}", "probabilities": {"none": 0.5, action: 0.5}}
    return proposal(action, **(given | fields))  # type: ignore[arg-type]


def read(*events: Event, **fields: int) -> Record:
    return read_decisions(events, **({"horizon_us": HORIZON_S * S, "wait_us": WAIT_S * S} | fields))


def denied(one: Proposal, second: float = 0.0) -> tuple[Event, Event]:
    end = experience(one, "censored", None, effective="none", verdict="deny", decided_us=at(second).us)
    return verdict(one, "deny", second), end


def ran(one: Proposal, reward: float, second: float = 0.0, **fields: object) -> tuple[Event, Event]:
    return verdict(one), experience(one, reward=reward, decided_us=at(second).us, **fields)


def became(*events: Event) -> dict[str, tuple[str, float | None]]:
    return {one.proposal.id: (one.happened, one.reward) for one in read(*events).decided}


def test_what_happened_counts_and_the_last_word_on_it() -> None:
    one = asked("a")
    late = experience(one, "late", 0.9, effective="none", retracted_reward=0.1)
    assert became(verdict(one), experience(one, "defaulted", 0.1), late) == {"a": ("none", 0.9)}


def test_what_is_foretold_is_no_end() -> None:
    one = asked("a")
    early = experience(one, "early", 0.9)
    assert (read(verdict(one), early).decided, read(verdict(one), early).open) == ([], 1)
    assert became(verdict(one), early, experience(one, "unobservable", None, retracted_reward=0.9)) == {
        "a": ("recycle", None)
    }


def test_what_the_loop_did_for_a_life_as_a_whole_is_no_decision_of_this_kind() -> None:
    one, life = asked("a"), asked("b", episode="", probabilities={"recycle": 1.0, "none": 0.0})
    found = read(*ran(one, 0.5), *ran(life, 0.9), verdict(asked("c", episode="")))
    assert ([decided.proposal.id for decided in found.decided], found.open) == (["a"], 0)


def test_another_attempt_is_what_became_of_the_first_and_no_decision_of_its_own() -> None:
    """It keeps the arm, so its propensity is not what the log says."""
    first, second = asked("a", episode="e"), asked("b", action="restart", episode="e")
    found = read(*denied(first), *ran(second, 0.7, second=4.0, cost=0.1))
    assert [(one.proposal.id, one.happened) for one in found.decided] == [("a", "restart later")]
    assert found.decided[0].reward == pytest.approx(0.7 - 4.0 / HORIZON_S)
    assert found.repeats == 1


def test_the_trouble_lasted_while_another_attempt_was_waited_for_but_costs_no_more_than_the_horizon() -> None:
    first, second = asked("a", episode="e"), asked("b", episode="e")
    assert became(*denied(first), *ran(second, 0.7, second=300.0, cost=0.1)) == {"a": ("recycle later", -0.1)}


def test_where_all_attempts_are_denied_nothing_happened_and_nobody_knows_what_that_earned() -> None:
    first, second = asked("a", episode="e"), asked("b", episode="e")
    assert became(*denied(first), *denied(second, 3.0)) == {"a": ("none", None)}


def test_an_attempt_that_does_nothing_leaves_open_what_nothing_earned() -> None:
    """It is made only where the trouble did not end before: its reward is of the worst alone."""
    first, second = asked("a", episode="e"), asked("b", action="none", episode="e")
    assert became(*denied(first), *ran(second, 0.5, second=2.0)) == {"a": ("none", None)}


def test_what_a_person_did_in_a_proposals_place_is_what_happened_from_the_proposals_clock_on() -> None:
    mine, theirs = asked("a", episode="e"), asked("b", action="restart", episode="e", by="kim", hold_out=None)
    ((happened, reward),) = became(*denied(mine), *ran(theirs, 0.7, second=5.0)).values()
    assert (happened, reward) == ("restart later", pytest.approx(0.7 - 0.5))


@pytest.mark.parametrize("by", ["loop", "kim"])
def test_of_what_was_asked_about_later_the_wait_counts_once_and_the_look(by: str) -> None:
    """The second was asked at 3 s and approved at 5 s: what it earned counts from there on."""
    first = asked("a", episode="e")
    second = asked("b", action="restart", episode="e", by=by, asked=True, time_us=first.time_us + 3 * S)
    found = became(
        *denied(first), *ran(second, 0.45, second=5.0, cost=0.15, asked=True, look_cost=0.05, unasked_reward=0.7)
    )
    assert found == {"a": ("restart later", pytest.approx(0.7 - 0.5 - 0.05))}


def test_what_came_after_a_question_that_was_answered_no_counts_from_the_question_on() -> None:
    first = asked("a", episode="e", asked=True)
    second = asked("b", action="restart", episode="e", by="kim", hold_out=None)
    end = experience(first, reward=0.35, effective="none", asked=True, cost=0.05, look_cost=0.05, decided_us=at(4).us)
    found = became(verdict(first, "deny", 4.0), end, *ran(second, 0.7, second=5.0))
    assert found == {"a": ("restart later", pytest.approx(0.7 - 0.5 - 0.05))}


def test_where_nobody_knows_what_it_earned_by_itself_nobody_knows_what_it_earned_later() -> None:
    first, second = asked("a", episode="e"), asked("b", episode="e", asked=True)
    later = ran(second, 0.5, second=5.0, cost=0.15, asked=True, look_cost=0.05, unasked_reward=None)
    assert became(*denied(first), *later) == {"a": ("recycle later", None)}


def test_where_both_acted_nobody_knows_whose_reward_it_is() -> None:
    mine, theirs = asked("a", episode="e"), asked("b", action="restart", episode="e", by="kim", hold_out=None)
    assert became(*ran(mine, 0.4, second=1.0), *ran(theirs, 0.4, second=5.0)) == {"a": ("recycle", None)}
    assert became(*ran(mine, 0.4, second=5.0), *ran(theirs, 0.4, second=1.0)) == {"a": ("recycle", 0.4)}


def test_decisions_of_people_are_counted_not_used() -> None:
    mine, theirs = asked("a"), asked("c", by="kim", episode="", hold_out=None)
    found = read(*ran(mine, 0.5), *ran(theirs, 0.5))
    assert ([one.proposal.id for one in found.decided], found.by_people) == (["a"], 1)


def test_from_the_first_decision_on_that_may_yet_end_none_counts() -> None:
    """What is denied ends at once: of the latest decisions only those would be known."""
    before, waits, after = asked("a"), asked("b"), asked("c")
    found = read(*ran(before, 0.5), verdict(waits), *denied(after))
    assert ([one.proposal.id for one in found.decided], found.open) == (["a"], 2)


def test_a_decision_that_never_ended_is_left_out_alone() -> None:
    lost, after = asked("a"), asked("b", time_us=START + 700 * S)
    ended = experience(after, time_us=START + 720 * S)
    found = read(verdict(lost), verdict(after), ended)
    assert ([one.proposal.id for one in found.decided], found.open) == (["b"], 1)


@pytest.mark.parametrize("reward", [float("nan"), -0.9, 1.2])
def test_what_cannot_be_a_reward_is_not_known(reward: float) -> None:
    assert became(*ran(asked("a"), reward)) == {"a": ("recycle", None)}


def test_the_latest_decisions_are_kept_and_the_others_counted() -> None:
    events = [event for number in range(7) for event in ran(asked(f"p{number}"), 0.5)]
    found = read(*events, most=3)
    assert ([one.proposal.id for one in found.decided], found.older) == (["p4", "p5", "p6"], 4)


def test_so_many_proposals_on_one_episode_are_looked_at() -> None:
    people = [asked(f"p{number}", episode="e", by="kim") for number in range(2 * MOST_PROPOSALS)]
    assert read(*(verdict(one) for one in people)).by_people == MOST_PROPOSALS


def looked(one: Proposal, answer: str, second: float, *, passed: bool) -> Event:
    return verdict(one, answer, second, checks=(Check(name="exploration", passed=passed),))


def test_whether_it_might_explore_is_what_the_gate_last_found_whatever_decided() -> None:
    first, other, free = asked("a"), asked("b"), asked("c")
    found = read(
        looked(first, "escalate", 0.0, passed=False),
        looked(other, "escalate", 0.0, passed=True),
        *ran(free, 0.5),
        looked(first, "allow", 1.0, passed=True),
        looked(other, "deny", 1.0, passed=False),
        verdict(other, "deny", 2.0),
        experience(first),
        experience(other, "censored", None, effective="none"),
    )
    assert {one.proposal.id: one.stopped for one in found.decided} == {"a": False, "b": True, "c": False}


def test_of_a_question_that_might_not_explore_no_reward_counts() -> None:
    """A person said no before the gate could: what a yes would have come to is missing."""
    one = asked("a", asked=True, probabilities={"none": 0.6, "ask": 0.4})
    told = looked(one, "escalate", 0.0, passed=False), experience(one, reward=0.4, asked=True, effective="none")
    assert became(*told) == {"a": ("ask", None)}
    assert became(looked(one, "escalate", 0.0, passed=True), told[1]) == {"a": ("ask", 0.4)}


def test_what_ran_beyond_them_is_what_happened() -> None:
    refused = [event for number in range(MOST_PROPOSALS) for event in denied(asked(f"p{number}", episode="e"))]
    last = ran(asked("last", episode="e"), 0.7, second=4.0, cost=0.1)
    assert became(*refused, *last) == {"p0": ("recycle later", pytest.approx(0.3))}
    assert read(*refused, last[0]).decided == [], "it has not ended"
