"""Event tokens beside numbers: what an entity said shortly before an episode opened belongs to it."""

from itertools import pairwise

import numpy as np
import pytest

from schemas.events import Census, Episode, Event
from streams.loop.detect import Detect
from tests.laws.recorded import rows_of
from tests.loop.test_detect import HEALTHY, at, batch, detector

SECOND = 1_000_000
FAULT_S = 30


def story(said: dict[float, str]) -> tuple[list[tuple[str, float, dict[str, float]]], dict[int, str]]:
    """Return the rows of a pump that is healthy for half a minute and then is not, and what it says besides."""
    rows = [("pump", float(second), {"load": HEALTHY[second % 5]}) for second in range(FAULT_S)]
    rows += [("pump", float(second), {"load": 100.0}) for second in range(FAULT_S, FAULT_S + 6)]
    rows += [("pump", second, {}) for second in said]
    rows.sort(key=lambda row: row[1])
    places = {second: place for place, (_, second, values) in enumerate(rows) if not values}
    return rows, {places[second]: token for second, token in said.items()}


def tokens_of(events: list[Event]) -> list[tuple[str, ...]]:
    return [event.tokens for event in events if isinstance(event, Episode) and event.phase == "onset"]


def fold(detect: Detect, said: dict[float, str]) -> list[Event]:
    rows, tokens = story(said)
    return detect.on_batch([batch(rows, tokens=tokens)], at(FAULT_S + 6))


@pytest.mark.parametrize("window_us", [0, SECOND])
def test_what_was_said_just_before_belongs_to_the_episode(window_us: int) -> None:
    events = fold(detector(window_us=window_us), {25.5: "deploy", 28.5: "restart", 28.6: "deploy"})
    assert tokens_of(events) == [("deploy", "restart")]


@pytest.mark.parametrize("window_us", [0, SECOND])
def test_what_was_said_long_before_does_not(window_us: int) -> None:
    said = {10.5: "deploy", 28.5: "restart"}
    assert tokens_of(fold(detector(window_us=window_us, token_us=10 * SECOND), said)) == [("restart",)]


def test_what_was_said_in_an_episode_does_not_belong_to_the_next() -> None:
    detect = detector(close_windows=1)
    events = fold(detect, {FAULT_S + 2.5: "deploy"})
    calm = [("pump", 40.0 + second, {"load": HEALTHY[second % 5]}) for second in range(8)]
    events += detect.on_batch(
        [batch([*calm, ("pump", 48.0, {"load": 100.0}), ("pump", 49.0, {"load": 100.0})])], at(50)
    )
    assert tokens_of(events)[1:] == [()]


def test_what_was_said_in_the_window_that_closes_an_episode_does_not_belong_to_the_next() -> None:
    detect = detector(window_us=SECOND, close_windows=1)
    events = fold(detect, {})
    calm = [("pump", 40.0 + second, {"load": HEALTHY[second % 5]}) for second in range(8)]
    calm.insert(1, ("pump", 40.5, {}))
    again = [("pump", 48.0 + second, {"load": 100.0}) for second in range(6)]
    events += detect.on_batch([batch([*calm, *again], tokens={1: "rollback"})], at(60))
    assert [event.closed_us for event in events if isinstance(event, Episode) and event.phase == "closed"] == [
        at(41).us
    ]
    assert tokens_of(events) == [(), ()]


def test_what_was_said_in_the_window_that_opens_an_episode_is_in_it_once_and_outlives_older_words() -> None:
    detect = detector(window_us=SECOND, open_windows=1, open_of=1, token_limit=2)
    said = {20.5: "deploy", 28.5: "restart", 30.5: "deploy", 31.5: "again"}
    assert tokens_of(fold(detect, said)) == [("restart", "deploy")]


def test_no_more_is_kept_than_the_limit_and_nothing_for_ever() -> None:
    detect = detector(token_limit=2)
    chatty = [("pump", second / 2, {"load": 10.0}) for second in range(200)]
    told = {row: f"said-{row}" for row in range(200)}
    detect.on_batch([batch(chatty, tokens=told)], at(100))
    assert b"said-199" in detect.snapshot()
    assert b"said-197" not in detect.snapshot()
    detect.on_batch([batch([("pump", 200.0, {"load": 10.0})])], at(200))
    detect.on_time(at(205))
    assert b"said-" not in detect.snapshot()


def test_a_clock_that_is_ahead_makes_nobody_elses_words_old() -> None:
    rows, tokens = story({28.5: "deploy"})
    whole = batch(rows, tokens=tokens)
    detect = detector()
    detect.on_batch([rows_of(whole, 0, FAULT_S)], at(FAULT_S))
    detect.on_batch([batch([("fan", 80_000.0, {"load": 10.0})])], at(FAULT_S))
    assert any(isinstance(event, Census) for event in detect.on_time(at(FAULT_S + 5)))
    assert tokens_of(detect.on_batch([rows_of(whole, FAULT_S, len(rows))], at(FAULT_S + 6))) == [("deploy",)]


@pytest.mark.parametrize("window_us", [0, SECOND])
def test_it_is_no_matter_how_rows_were_cut_or_whether_a_snapshot_came_between(window_us: int) -> None:
    rows, tokens = story({25.5: "deploy", 28.5: "restart", 31.5: "again"})
    rows += [("fan", second, values) for _, second, values in rows]
    tokens |= {row + len(rows) // 2: token for row, token in tokens.items()}
    whole = batch(rows, tokens=tokens)
    expected = detector(window_us=window_us).on_batch([whole], at(40))
    for cuts in np.random.default_rng(1).integers(1, len(rows), (5, 6)).tolist():
        parts, events = detector(window_us=window_us), []
        for start, stop in pairwise(sorted({0, *cuts, len(rows)})):
            events += parts.on_batch([rows_of(whole, start, stop)], at(40))
            restored = detector(window_us=window_us)
            restored.restore(bytes(parts.snapshot()))
            parts = restored
        assert events == expected
