"""A gate that is away loses no episode: what it did not answer is proposed again, ever more rarely, till it is back."""

from collections.abc import Iterator

import pytest

from schemas.events import Event, Proposal
from streams.loop.policy import Policy
from streams.loop.policy.silence import LONGEST_US, Silence
from tests.loop.decided import START, S, at, blocked, closed, experience, recorded, recurrence, verdict
from tests.loop.held_back import LOOP_ALONE, policy
from tests.loop.test_policy import fold, tick


def fresh() -> Policy:
    return policy(hold_out=LOOP_ALONE)


def lasting(processor: Policy, first: int, last: int) -> Iterator[tuple[int, Proposal]]:
    """Yield what is proposed second by second, and when, while nobody answers."""
    for seconds in range(first, last):
        for one in tick(processor, seconds):
            yield seconds, one


def denied(one: Proposal, seconds: float, check: str = "expiry") -> list[Event]:
    """Return what a gate says that comes to a proposal too late."""
    return [verdict(one, "deny", seconds, decided_by=check), experience(one, "censored", None, verdict="deny")]


def test_what_nobody_answers_is_proposed_again_ever_more_rarely_at_the_cost_of_no_attempt() -> None:
    processor = fresh()
    fold(processor, recurrence("e1"))
    times = [seconds for seconds, _ in lasting(processor, 1, 2000)]
    assert times == [20, 60, 140, 300, 600, 900, 1200, 1500, 1800]


def test_after_an_hour_without_a_gate_every_episode_is_decided_one_after_the_other() -> None:
    processor = fresh()
    made = fold(processor, *(recurrence(f"e{n}", f"web-{n}") for n in range(6)))
    made += [one for _, one in lasting(processor, 1, 3600)]
    assert len(made) < 6 + 20
    said = [event for one in made for event in denied(one, 3600)]
    fold(processor, *said, seconds=3600, first=100)
    decided: list[str] = []
    for seconds in range(3600, 3600 + int(LONGEST_US / S) + 6):
        for one in tick(processor, seconds):
            decided.append(one.episode)
            came = experience(one, id=f"came-{one.id}")
            fold(processor, verdict(one, seconds=seconds), came, seconds=seconds, first=1000 + 2 * len(decided))
    assert sorted(decided) == [f"e{n}" for n in range(6)]
    assert processor.next_time() is None


@pytest.mark.parametrize("heard", ["verdict", "blocked"])
def test_when_the_gate_is_heard_again_what_waits_is_proposed_at_once(heard: str) -> None:
    processor = fresh()
    fold(processor, recurrence("e1"))
    assert [seconds for seconds, _ in lasting(processor, 1, 330)] == [20, 60, 140, 300]
    assert processor.next_time() == START + 600 * S
    said: Event = blocked(1, action__shed=0)
    if heard == "verdict":
        (other,) = fold(processor, recurrence("e2", "web-2"), seconds=330, first=7)
        said = verdict(other, seconds=330)
    fold(processor, said, seconds=330, first=9)
    (again,) = tick(processor, 330)
    assert again.episode == "e1"
    assert [seconds for seconds, _ in lasting(processor, 331, 420)] == [350, 390]


def test_what_is_over_by_then_is_not_proposed_again() -> None:
    processor = fresh()
    fold(processor, recurrence("e1"))
    assert len(list(lasting(processor, 1, 100))) == 2
    fold(processor, closed(100.0), seconds=100, first=5)
    assert processor.next_time() is None


@pytest.mark.parametrize(
    ("lag", "check", "expected"),
    [
        (21, "expiry", [0, 20, 60, 140, 300, 600, 900, 1200, 1500, 1800]),
        (60, "evidence", [0, 20, 60, 140, 300, 600, 900, 1200, 1500, 1800]),
        (300, "evidence", [0, 20, 60, 140, 300, 600, 900, 1200, 1500, 1800]),
    ],
)
def test_a_gate_that_lags_is_asked_as_rarely_as_one_that_is_away(lag: int, check: str, expected: list[int]) -> None:
    """It answers all, and each too late: nothing of that tells that the next one would be answered in time."""
    processor = fresh()
    made = [(0, one) for one in fold(processor, recurrence("e1"))]
    for seconds in range(1, 2000):
        for time, one in made:
            if time + lag == seconds:
                fold(processor, *denied(one, seconds, check), seconds=seconds, first=10 * seconds)
        made += [(seconds, one) for one in tick(processor, seconds)]
    assert [time for time, _ in made] == expected


@pytest.mark.parametrize("check", ["evidence", "expiry"])
def test_one_that_the_gate_came_to_too_late_counts_as_not_answered(check: str) -> None:
    processor = fresh()
    (one,) = fold(processor, recurrence("e1"))
    times: list[int] = []
    for seconds in range(1, 400):
        if times[-1:] == [seconds - 1] or seconds == 1:  # a gate whose clock is ahead says so of each within a second
            fold(processor, *denied(one, seconds, check), seconds=seconds, first=10 * seconds)
        for again in tick(processor, seconds):
            one = again
            times.append(seconds)
    assert times == [2, 23, 84, 225]


def test_where_people_were_asked_and_nobody_answered_it_is_not_asked_again() -> None:
    processor = fresh()
    (one,) = fold(processor, recurrence("e1"))
    fold(processor, verdict(one, "escalate", 1), seconds=1, first=5)
    fold(processor, *denied(one, 300), seconds=300, first=6)
    assert processor.next_time() is None


def test_a_restart_changes_nothing_of_it() -> None:
    processor, other = fresh(), fresh()
    told = recorded(recurrence("e1"), recurrence("e2", "web-2"))
    assert processor.on_batch(told, at(0)) == other.on_batch(told, at(0))
    for seconds in range(1, 1000):
        state, other = other.snapshot(), fresh()
        other.restore(state)
        assert other.on_time(at(seconds)) == processor.on_time(at(seconds))
    assert other.snapshot() == processor.snapshot()


def test_those_that_were_made_before_the_end_of_a_rest_count_once() -> None:
    silence = Silence()
    for made, now, until in ((0, 20, 20), (5, 25, 20), (19, 39, 20), (20, 40, 60), (50, 70, 60), (60, 80, 140)):
        silence.note(made, now, expires_us=20)
        assert silence.until_us == until
    silence.end()
    assert silence == Silence()
    for n in range(3000):
        silence.note(n * 10**9, n * 10**9 + 20, expires_us=20)
    assert silence.until_us == 2999 * 10**9 + LONGEST_US
