"""What another action on the entity, as a person's own, leaves of an outcome: what had recovered before it."""

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events import Experience, Verdict
from streams.loop.attribute import Attribute
from streams.loop.attribute.following import OTHERS_KEPT, Following
from streams.loop.attribute.joins import Join
from tests.loop.decided import (
    ACTIONS,
    START,
    S,
    at,
    closed,
    measured,
    outcome,
    proposal,
    recorded,
    verdict,
)
from tests.loop.test_attribute import ALLOWED, CLAIM, NOTHING, RECOVERS, SETTINGS, attribute, fresh, run


def by_hand(seconds: float, answer: str = "allow", action: str = "restart", entity: str = "web-1") -> Verdict:
    """Return what a person did about the episode without having been asked."""
    mine = proposal(action, id=f"by-hand-{entity}", by="ann", propensity=1.0, hold_out=None, entity=entity)
    return verdict(mine, answer, seconds)


@pytest.mark.parametrize(
    ("other", "reward"),
    [
        (by_hand(0), 0.0),
        (by_hand(2), 0.0),
        (by_hand(3.5), 0.0),  # in the first window of the recovery
        (by_hand(4), 0.7),  # after it
        (by_hand(10), 0.7),
        (by_hand(2, "deny"), 0.7),
        (by_hand(2, "shadow"), 0.7),
        (by_hand(2, "escalate"), 0.7),
        (by_hand(2, action="none"), 0.7),
        (replace(by_hand(2), dry_run=True), 0.7),
        (by_hand(2, entity="web-2"), 0.7),
    ],
)
def test_doing_nothing_has_not_recovered_what_had_not_by_the_time_a_person_acted(other: Verdict, reward: float) -> None:
    processor = attribute()
    begun = [outcome(other, "claimed", 2)] if other.action else []
    processor.on_batch(recorded(verdict(NOTHING), other, *begun), at(2))
    processor.restore(processor.snapshot())
    experiences = run(processor, *RECOVERS)
    (one,) = [one for one in experiences if one.proposal == NOTHING.id]
    assert (one.state, one.effective, one.recovered) == ("observed", "none", reward > 0)
    assert one.reward == pytest.approx(reward)


@pytest.mark.parametrize(
    ("windows", "close", "limit", "state"),
    [
        ("xx" + " " * 8, None, 512, "observed"),  # the person's action took it away
        ("   xxx....", None, 512, "observed"),
        ("xxxxxx    ", 8.0, 512, "observed"),
        (" " * 10, None, 512, "unobservable"),  # nothing at all was measured
        ("x.x.x.x.x.", None, 3, "observed"),  # what was left out came after the other action
        ("x.x.x.x.x.", None, 1, "unobservable"),
    ],
)
def test_a_failure_before_a_person_acted_is_one_however_little_was_measured_afterwards(
    windows: str, close: float | None, limit: int, state: str
) -> None:
    processor = fresh(windows_limit=limit)
    end = outcome(ALLOWED, "succeeded", 1.0)
    heard = [*measured(windows), *([] if close is None else [closed(close)])]
    (one,) = [one for one in run(processor, ALLOWED, CLAIM, end, by_hand(2), *heard) if one.by == "loop"]
    assert (one.state, one.reward) == (state, pytest.approx(-0.1) if state == "observed" else None)
    assert one.recovered == (False if state == "observed" else None)


@pytest.mark.parametrize("close", [4.0, 6.0])
def test_an_episode_that_closed_before_a_person_acted_has_recovered(close: float) -> None:
    heard = [*measured("xxx.......")[:4], closed(close)]
    one, *_ = run(attribute(), verdict(NOTHING), by_hand(5), *heard)
    assert (one.state, one.reward) == (("observed", 0.6) if close < 5 else ("observed", 0.0))


@pytest.mark.parametrize(
    ("heard", "reward"),
    [
        ([], 0.0),
        (["claimed"], 0.0),
        (["claimed", "failed"], 0.0),
        (["refused"], 0.7),
        (["claimed", "refused"], 0.7),
        (["refused", "claimed"], 0.0),  # another group ran it
    ],
)
@pytest.mark.parametrize("ahead", [False, True])
def test_an_action_of_another_that_never_ran_changes_nothing(*, heard: list[str], reward: float, ahead: bool) -> None:
    other = by_hand(2)
    told = [outcome(other, state, 2.5) for state in heard]
    processor = attribute()
    processor.on_batch(recorded(verdict(NOTHING), *([*told, other] if ahead else [other, *told])), at(3))
    processor.restore(processor.snapshot())
    (one,) = [one for one in run(processor, *RECOVERS) if one.by == "loop"]
    assert (one.state, one.reward) == ("observed", pytest.approx(reward))


@pytest.mark.parametrize(("expires_s", "reward"), [(7, 0.7), (9, 0.0)])
def test_an_action_of_another_that_expired_unclaimed_never_ran(expires_s: int, reward: float) -> None:
    actions = {name: msgspec.structs.replace(one, expires_us=expires_s * S) for name, one in ACTIONS.items()}
    processor = Attribute(SETTINGS, loop="t", actions=actions)
    (one,) = [one for one in run(processor, verdict(NOTHING), by_hand(2), *RECOVERS) if one.by == "loop"]
    assert (one.state, one.reward) == ("observed", pytest.approx(reward))


def test_the_first_other_action_that_ran_counts() -> None:
    first, second = by_hand(2), verdict(proposal("recycle", id="more", by="bob", hold_out=None), "allow", 5)
    refused, windows = outcome(first, "refused", 2.5), "xxxx......"
    for heard, reward in (([refused], 0.0), ([refused, outcome(second, "refused", 6)], 0.6)):
        (one,) = [
            one
            for one in run(
                attribute(), verdict(NOTHING), first, second, *heard, *measured(windows.replace("....", "x...", 1))
            )
            if one.by == "loop"
        ]
        assert one.reward == pytest.approx(reward - (0.1 if reward else 0.0))


def test_what_people_do_about_failures_takes_no_failure_away() -> None:
    """Restarts make well in 3 s, doing nothing in one of two episodes; else a person restarts after 6 s."""
    rewards: dict[str, list[float | None]] = {"none": [], "restart": []}
    for heals in (True, False):
        for mine in (verdict(NOTHING), ALLOWED):
            own = by_hand(6)
            steps_in = mine.action is None and not heals
            heard = [CLAIM, outcome(ALLOWED, "succeeded", 1)] if mine.action else []
            acted = [own, outcome(own, "claimed", 6.1), outcome(own, "succeeded", 7)] if steps_in else []
            windows = measured("xxxxxxx..." if steps_in else "xxx.......")
            (one,) = [one for one in run(attribute(), mine, *heard, *acted, *windows) if one.by == "loop"]
            rewards[one.effective].append(one.reward)
    assert rewards == {"none": [pytest.approx(0.7), 0.0], "restart": [pytest.approx(0.6), pytest.approx(0.6)]}


def test_of_two_actions_the_first_has_not_recovered_and_the_second_counts() -> None:
    other = by_hand(2, action="recycle")
    ended = [outcome(one, "succeeded", 3) for one in (ALLOWED, other)]
    first, second = run(attribute(), ALLOWED, CLAIM, other, *ended, *RECOVERS, *measured("..", first=10), until=20)
    assert (first.proposal, first.state, first.reward) == (ALLOWED.proposal.id, "observed", pytest.approx(-0.1))
    assert (second.by, second.state, second.reward) == ("ann", "observed", pytest.approx(0.9 - 0.1))


def test_a_default_and_what_corrects_it_have_not_recovered_either_where_another_acted_meanwhile() -> None:
    processor = attribute()
    default, _ = run(processor, ALLOWED, by_hand(2), *RECOVERS, until=20)
    assert (default.state, default.reward) == ("defaulted", 0.0)
    late, _ = processor.on_batch(
        recorded(
            outcome(by_hand(2), "claimed", 2.5),
            outcome(ALLOWED, "succeeded", 3),
            outcome(by_hand(2), "succeeded", 3),
            first=50,
        ),
        at(21),
    )
    assert isinstance(late, Experience)
    assert (late.state, late.effective, late.reward) == ("late", "restart", pytest.approx(-0.1))


@pytest.mark.parametrize("unclaimed", [False, True])
def test_what_corrects_a_default_is_judged_anew_where_the_other_action_never_ran(*, unclaimed: bool) -> None:
    """That nobody began the other one is known after it; and so is its refusal."""
    processor = attribute()
    (default,) = run(processor, ALLOWED, by_hand(2), *RECOVERS)
    assert (default.state, default.reward) == ("defaulted", 0.0)
    heard = [] if unclaimed else [outcome(by_hand(2), "refused", 13)]
    processor.on_batch(recorded(*heard, first=40), at(13))
    processor.on_time(at(14))
    (late,) = processor.on_batch(recorded(outcome(ALLOWED, "succeeded", 3), first=50), at(18))
    assert isinstance(late, Experience)
    assert (late.state, late.effective, late.reward) == ("late", "restart", pytest.approx(0.7 - 0.1))


def test_only_so_many_other_actions_are_told_apart() -> None:
    following, join = Following(SETTINGS), Join(verdict=ALLOWED, verdict_at="", due_us=0)
    following.follow(join)
    for n in range(100):
        following.mix(verdict(proposal(id=str(n), by="ann"), "allow", 1 + n / 100))
    assert list(join.others.values()) == [START + S + n * S // 100 for n in range(OTHERS_KEPT)]
