"""What was denied for what rests on one action alone is decided again at once without it, by the loop's arm."""

from typing import Any

import pytest

from schemas.events import Check, Experience, Proposal, Verdict
from streams.loop.denials import OWN, TOLD, UNTOLD, without_it_us
from streams.loop.gate.runs import chosen_by_loop
from streams.loop.gate.table import BY_NAME
from streams.loop.policy import Policy
from streams.replay.episodes import read_episodes
from tests.loop.decided import ACTIONS, START, S, at, blocked, experience, recorded, recurrence, verdict
from tests.loop.held_back import EARNS, LOOP_ALONE, policy, told
from tests.loop.test_policy import fold, taught, tick

BASELINE = {"loop": 0.0, "baseline": 1.0, "none": 0.0}
CHECKS = pytest.mark.parametrize("check", sorted(OWN))


def knowing(**fields: Any) -> Policy:
    """Return a policy that knows what the actions earn: recycle most, then restart."""
    processor = policy(**{"hold_out": LOOP_ALONE, "floor": 0.0} | fields)
    taught(processor, EARNS)
    return processor


def deny(processor: Policy, one: Proposal, check: str, *, seconds: float = 0.0, **fields: Any) -> Verdict:
    said = verdict(one, "deny", seconds, decided_by=check, **fields)
    fold(processor, said, censored(one), seconds=seconds, first=100 + int(seconds))
    return said


def censored(one: Proposal) -> Experience:
    return experience(one, "censored", None, effective="none", verdict="deny")


@CHECKS
def test_it_is_decided_again_without_it(check: str) -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    assert one.action == "recycle"
    deny(processor, one, check, retry_after_us=START + 9000 * S)
    assert processor.next_time() == START + 1 * S
    state, processor = processor.snapshot(), knowing()
    processor.restore(state)
    (again,) = tick(processor, 1)
    assert (again.action, again.episode, again.blocked) == ("restart", "e1", ("refused:recycle",))
    assert set(again.probabilities) == {"none", "restart", "shed"}
    assert again.wanted is None


def test_a_day_of_a_guard_that_denies_the_best_action_is_not_one_of_doing_nothing() -> None:
    processor, done = knowing(floor=0.05, attempts=2), list[str]()
    for n in range(60):
        seconds = 100.0 * n
        (one,) = fold(processor, recurrence(f"e{n}", f"n{n}"), seconds=seconds, first=10 * n)
        if one.action == "recycle":
            deny(processor, one, "guards", seconds=seconds)
            (one,) = tick(processor, seconds + 1)
        done.append(one.action)
        came = experience(one, reward=EARNS[one.action])
        fold(processor, verdict(one, seconds=seconds + 1), came, seconds=seconds + 1, first=10 * n + 5)
    assert "recycle" not in done
    assert done.count("restart") > 45


@CHECKS
def test_every_repeat_is_an_attempt(check: str) -> None:
    processor = knowing(attempts=3)
    (one,) = fold(processor, recurrence("e1"))
    for seconds, left in ((0, {"none", "restart", "shed"}), (1, {"none", "shed"})):
        deny(processor, one, check, seconds=seconds)
        (one,) = tick(processor, seconds + 1)
        assert {*one.probabilities} - {"restart"} == left - {"restart"}
    deny(processor, one, check, seconds=2)
    assert processor.next_time() is None


def test_that_it_was_refused_is_told_also_where_limits_mask_it_by_then() -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    deny(processor, one, "guards")
    fold(processor, blocked(action__recycle=3600), first=300)
    (again,) = tick(processor, 1)
    assert (again.action, again.blocked) == ("restart", ("action:recycle", "refused:recycle"))
    assert chosen_by_loop(again) == ""


def test_that_it_was_refused_is_told_also_where_nothing_else_is_left_and_it_is_no_more_left_out() -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    deny(processor, one, "guards")
    fold(processor, blocked(action__restart=0, action__shed=0), first=300)
    (again,) = tick(processor, 1)
    assert (again.action, again.blocked) == ("recycle", ("action:restart", "action:shed", "refused:recycle"))
    assert (chosen_by_loop(again), again.left_out) == ("", frozenset())


@CHECKS
def test_in_the_baseline_s_arm_it_is_as_before(check: str) -> None:
    processor = knowing(hold_out=BASELINE)
    (one,) = fold(processor, recurrence("e1"))
    deny(processor, one, check, retry_after_us=START + 90 * S)
    assert processor.next_time() == START + 90 * S
    (again,) = tick(processor, 90)
    assert (again.action, again.blocked, set(again.probabilities)) == ("restart", (), {*ACTIONS, "none"})


@CHECKS
@pytest.mark.parametrize("retry", [None, START + 90 * S])
def test_where_no_other_action_is_left_it_is_as_before(check: str, retry: int | None) -> None:
    processor = knowing()
    fold(processor, told("restart", "shed"), first=50)
    (one,) = fold(processor, recurrence("e1"), first=60)
    assert one.action == "recycle"
    deny(processor, one, check, retry_after_us=retry, held_back=("restart", "shed"))
    assert processor.next_time() == retry
    if retry is not None:
        assert [again.action for again in tick(processor, 90)] == ["recycle"]


@CHECKS
@pytest.mark.parametrize("until", [0, 40])
def test_what_limits_mask_is_not_left(check: str, until: int) -> None:
    """The repeat is due when the action may run itself."""
    processor = knowing()
    fold(processor, blocked(action__restart=until, action__shed=0), first=50)
    (one,) = fold(processor, recurrence("e1"), first=60)
    assert set(one.probabilities) == {"none", "recycle"}
    deny(processor, one, check, retry_after_us=START + 90 * S)
    assert processor.next_time() == START + 90 * S
    (again,) = tick(processor, 90)
    assert (again.action, again.episode) == ("recycle", "e1")


@pytest.mark.parametrize("shed", [0, 90])
def test_without_a_time_of_its_own_it_is_decided_again_when_the_first_of_the_others_is_free(shed: int) -> None:
    processor = knowing()
    fold(processor, blocked(action__restart=40, action__shed=shed), first=50)
    (one,) = fold(processor, recurrence("e1"), first=60)
    assert one.action == "recycle"
    deny(processor, one, "guards")
    assert processor.next_time() == START + 40 * S
    (again,) = tick(processor, 40)
    assert (again.action, again.blocked) == ("restart", ("action:shed", "refused:recycle"))


def test_nor_is_it_before_that_where_their_limits_are_spent_anew_meanwhile() -> None:
    processor = knowing()
    fold(processor, blocked(action__restart=40, action__shed=40), first=50)
    (one,) = fold(processor, recurrence("e1"), first=60)
    deny(processor, one, "guards")
    fold(processor, blocked(1, action__restart=70, action__shed=80), first=300)
    assert processor.next_time() == START + 70 * S
    assert [again.action for again in tick(processor, 70)] == ["restart"]


def test_without_a_time_it_is_not_where_nobody_knows_when_the_others_are_free() -> None:
    processor = knowing()
    fold(processor, blocked(action__restart=0, action__shed=0), first=50)
    (one,) = fold(processor, recurrence("e1"), first=60)
    deny(processor, one, "guards")
    assert processor.next_time() is None


@CHECKS
def test_under_a_pause_of_the_loop_they_wait_for_its_end(check: str) -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    fold(processor, blocked(loop=30), first=50)
    deny(processor, one, check, retry_after_us=START + 90 * S)
    assert processor.next_time() == START + 30 * S
    assert [again.action for again in tick(processor, 30)] == ["restart"]


def test_where_something_else_is_in_its_way_that_is_waited_for() -> None:
    failed = (
        Check(name="guards", passed=False),
        Check(name="cooldown", passed=False, next_us=START + 40 * S),
        Check(name="cost", passed=False, next_us=START + 9000 * S),
    )
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    deny(processor, one, "guards", checks=failed)
    assert processor.next_time() == START + 40 * S


@pytest.mark.parametrize(("check", "refused"), [("exploration", ()), ("guards", ("refused:recycle",))])
def test_that_asking_may_not_be_tried_is_no_matter_of_the_action_asked_about(
    check: str, refused: tuple[str, ...]
) -> None:
    processor = knowing(ask_cost=0.3, floor=0.3)
    asked = (one for n in range(100) for one in fold(processor, recurrence(f"e{n}", f"n{n}"), first=n) if one.asked)
    one = next(asked)
    assert one.action == "recycle"
    said = deny(processor, one, check, retry_after_us=START + 30 * S)
    assert processor.next_time() == START + (1 if refused else 20) * S
    again = [again for seconds in (1, 30) for again in tick(processor, seconds) if again.episode == one.episode]
    assert [again.blocked for again in again] == [refused]
    assert (without_it_us(said) is None) == (not refused)


def test_another_episode_has_it_again_and_a_duplicate_changes_nothing() -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    said = verdict(one, "deny", decided_by="guards")
    processor.on_batch(recorded(said, said, censored(one), first=100), at(0))
    (again,) = tick(processor, 1)
    assert again.blocked == ("refused:recycle",)
    (other,) = fold(processor, recurrence("e2", "web-2"), seconds=2, first=200)
    assert other.action == "recycle"


def test_they_are_checks_of_the_gate_and_end_by_nothing_that_is_told() -> None:
    assert {*BY_NAME} > OWN
    assert not OWN & (TOLD | UNTOLD)


@CHECKS
def test_an_episode_that_may_be_decided_again_has_not_ended(check: str) -> None:
    processor = knowing()
    (one,) = fold(processor, recurrence("e1"))
    said = deny(processor, one, check)
    (episode,) = read_episodes([said, censored(one)]).all
    assert episode.retry_us(2) == said.time_us
    assert episode.retry_us(1) is None
