"""Backoff with full jitter, and the circuit breaker: pure, on a clock that is told."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.executors.breaker import CircuitBreaker
from connectors.executors.handler import Result, State
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings
from tests.connectors.memory import Memory, Scripted, action, execute, fail, succeed


@given(retry=st.integers(0, 2000), seed=st.integers(0, 2**32), asked_s=st.floats(0, 30))
def test_a_pause_is_drawn_evenly_from_nothing_to_its_bound_on_top_of_what_was_asked_for(
    retry: int, seed: int, asked_s: float
) -> None:
    retries = Retries(pause_s=0.5, longest_s=30, seed=seed)
    wait_s = retries.wait_s("action", retry, asked_s=asked_s)
    assert wait_s is not None
    assert asked_s <= wait_s <= asked_s + min(30, 0.5 * 2 ** min(retry, 30))


def test_pauses_double_in_the_mean_spread_fully_and_repeat_with_the_seed() -> None:
    retries = Retries(pause_s=1.0, longest_s=8.0, seed=7)
    for retry, most_s in enumerate([1.0, 2.0, 4.0, 8.0, 8.0]):
        drawn = [retries.wait_s(f"action-{number}", retry) or 0.0 for number in range(2000)]
        assert sum(drawn) / len(drawn) == pytest.approx(most_s / 2, rel=0.05)
        assert min(drawn) < 0.01 * most_s
        assert max(drawn) > 0.99 * most_s
        assert drawn == [Retries(pause_s=1.0, longest_s=8.0, seed=7).wait_s(f"action-{n}", retry) for n in range(2000)]


def test_a_pause_that_is_asked_for_is_honoured_or_the_action_given_up() -> None:
    retries = Retries(longest_s=30)
    assert (retries.wait_s("action", 0, asked_s=30.0) or 0) >= 30.0
    assert retries.wait_s("action", 0, asked_s=30.1) is None


def not_done() -> Result:
    return Result(state="failed", detail="busy", retry="always")


def done_but_wrong() -> Result:
    return Result(state="failed", detail="undone", retry="never")


TRIES: list[tuple[Callable[[], Result], bool, int]] = [
    # first answer (then it succeeds), idempotent, attempts
    (fail, True, 2),
    (fail, False, 1),
    (not_done, False, 2),
    (done_but_wrong, True, 1),
]


@pytest.mark.parametrize(("first", "idempotent", "attempts"), TRIES)
def test_a_handler_says_what_may_be_tried_again(first: Callable[[], Result], idempotent: bool, attempts: int) -> None:
    memory, handler = Memory(action()), Scripted(first, succeed, idempotent=idempotent)
    execute(memory, {"mend": handler})
    assert handler.attempts == attempts


def no_answer() -> Result:
    return Result(state="unknown", detail="504 after sending")


def refuse() -> Result:
    return Result(state="refused", detail="409")


ENDS: list[tuple[tuple[Callable[[], Result], ...], State, str]] = [
    # what the attempts of an idempotent handler say, what the whole says
    ((no_answer, refuse), "unknown", "504 after sending; tried again: refused: 409"),
    ((no_answer, fail, not_done), "unknown", "504 after sending; tried again: failed: busy"),
    ((fail, no_answer, refuse), "unknown", "504 after sending; tried again: refused: 409"),
    ((no_answer, succeed), "succeeded", "mended"),
    ((fail, no_answer, no_answer), "unknown", "504 after sending"),
    ((fail, refuse), "failed", "no spare part; tried again: refused: 409"),
    ((not_done, refuse), "refused", "409"),
    ((fail, not_done, refuse), "failed", "no spare part; tried again: refused: 409"),
]


@pytest.mark.parametrize(("script", "state", "detail"), ENDS)
def test_a_later_attempt_does_not_take_back_what_an_earlier_one_may_have_done(
    script: tuple[Callable[[], Result], ...], state: State, detail: str
) -> None:
    memory = Memory(action())
    execute(memory, {"mend": Scripted(*script, idempotent=True)})
    assert memory.ends == [("action-1", state, detail)]


def test_a_stop_during_a_long_pause_ends_the_action_within_a_second() -> None:
    memory, handler = Memory(action(), refuse_after=1), Scripted(fail, idempotent=True)
    settings = ExecutorSettings(retries=Retries(pause_s=1000.0, longest_s=1000.0))
    execute(memory, {"mend": handler}, settings)
    assert memory.ends == [("action-1", "failed", "no spare part; not tried again: paused")]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_breaker_opens_after_failures_in_a_row_tries_one_and_closes_on_a_success() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=2, open_s=10.0, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admit() == 0.0
    breaker.failed()
    assert breaker.admit() == 10.0
    clock.now_s = 10.0
    assert breaker.admit() == 0.0
    assert breaker.admit() == 10.0  # one tries already
    breaker.failed()
    assert breaker.admit() == 10.0
    clock.now_s = 20.0
    assert breaker.admit() == 0.0
    breaker.forget()
    assert breaker.admit() == 0.0
    breaker.succeeded()
    assert [breaker.admit(), breaker.admit()] == [0.0, 0.0]


def test_a_hold_is_no_failure_and_lasts_as_long_as_asked() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, open_s=10.0, clock=clock)
    breaker.hold(5.0)
    assert breaker.admit() == 5.0
    clock.now_s = 5.0
    assert [breaker.admit(), breaker.admit()] == [0.0, 0.0]
