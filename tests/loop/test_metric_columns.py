"""Metrics that vanish leave their columns to others, once all are taken; those that come back in time have theirs."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from schemas.events import Episode, Event, Overflow
from streams.loop.detect import Detect, DetectSettings
from streams.loop.detect.lead import Lead
from streams.loop.detect.metrics import Metrics
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import rows_of

SECOND = 1_000_000
START_S = 1_000_000
GONE_S = 600
PUMP, BOTH = ("pump",), ("pump", "fan")


def detector(**changes: float) -> Detect:
    """Return a detect with two columns, in which what entities share has no say."""
    defaults = {
        "window_us": SECOND, "forest_weight": 0.0, "prior_windows": 1e-9, "metric_limit": 2,
        "metric_gone_us": GONE_S * SECOND,
    }  # fmt: skip
    return Detect(DetectSettings(**(defaults | changes)), loop="loop", partition=0, seed=1)  # type: ignore[arg-type]


def rows(entities: tuple[str, ...], seconds: range, metrics: dict[str, float]) -> TelemetryBatch:
    """One row of each entity at each of these seconds: metrics with noise of deviation 1 around a level."""
    number = len(entities) * len(seconds)
    noise = np.random.default_rng(seconds.start).normal(size=(number, 4))
    names = tuple(sorted(metrics))
    levels = np.array([metrics[name] for name in names])
    return TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(number) + 1_000 * seconds.start,
        entities=list(entities) * len(seconds),
        time_us=(START_S + np.repeat(seconds, len(entities))) * SECOND,
        metrics=names,
        values=levels + noise[:, : len(names)],
    )


def feed(detect: Detect, entities: tuple[str, ...], seconds: range, **metrics: float) -> list[Event]:
    """Feed what entities send, twenty samples at once, with the timers that fall due; loop time is event time."""
    events: list[Event] = []
    for start in range(0, len(seconds), 20):
        some = seconds[start : start + 20]
        events += detect.on_time(Now((START_S + some.start) * SECOND, 0))
        events += detect.on_batch([rows(entities, some, metrics)], Now((START_S + some.stop) * SECOND, 0))
    return events


def others(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Overflow)]


def opened(events: list[Event]) -> list[tuple[str, str]]:
    """Return who left its normal, and by which metric most."""
    found = [event for event in events if isinstance(event, Episode) and event.phase == "opened"]
    return [(event.entity, max(event.shares, key=event.shares.__getitem__)) for event in found]


def test_a_new_metric_takes_the_column_of_one_that_is_gone_as_if_it_were_its_own() -> None:
    narrow, wide = detector(), detector(metric_limit=64)
    told: list[list[Event]] = []
    for detect in (narrow, wide):
        feed(detect, PUMP, range(300), load=100, heat=500)
        feed(detect, PUMP, range(300, 1_200), load=100)
        events = feed(detect, PUMP, range(1_200, 1_210), load=100, knock=1)  # finds no room, and makes some
        events += feed(detect, PUMP, range(1_220, 1_600), load=100, flow=40)
        told.append(others(events + feed(detect, PUMP, range(1_600, 1_640), load=100, flow=90)))
    assert told[0] == told[1]
    assert opened(told[0]) == [("pump", "flow")]
    assert (narrow.counts["metric_limit"], wide.counts["metric_limit"]) == (10, 0)


def test_a_metric_that_comes_back_in_time_is_known_still() -> None:
    told: list[list[Event]] = []
    for detect in (detector(), detector(metric_limit=64)):
        feed(detect, PUMP, range(300), load=100, heat=500)
        feed(detect, PUMP, range(300, 800), load=100)
        feed(detect, PUMP, range(800, 805), load=100, knock=1)
        told.append(others(feed(detect, PUMP, range(820, 860), load=100, heat=600)))
    assert told[0] == told[1]
    assert opened(told[0]) == [("pump", "heat")], "at once, without warming up"


def test_who_was_put_aside_knows_nothing_of_a_metric_in_the_column_of_another() -> None:
    told: list[list[Event]] = []
    for limit in (2, 64):
        detect = detector(metric_limit=limit, aside_us=120 * SECOND)
        feed(detect, BOTH, range(300), load=100, heat=500)
        feed(detect, ("fan",), range(300, 1_200), load=100)
        feed(detect, ("fan",), range(1_200, 1_210), load=100, knock=1)
        feed(detect, ("fan",), range(1_220, 1_300), load=100, flow=40)
        events = feed(detect, BOTH, range(1_300, 1_400), load=100, flow=40)
        told.append(others(events + feed(detect, BOTH, range(1_400, 1_440), load=100, flow=90)))
    assert told[0] == told[1]
    assert sorted(opened(told[0])) == [("fan", "flow"), ("pump", "flow")]


def test_what_an_open_window_holds_is_not_lost() -> None:
    detect = detector(window_us=10_000 * SECOND, idle_us=10**12, gone_us=10**12)
    feed(detect, PUMP, range(100), load=100, heat=500)
    feed(detect, PUMP, range(100, 1_200), load=100)
    feed(detect, PUMP, range(1_200, 1_400), load=100, knock=1)
    assert detect.counts["metric_limit"] == 200


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_it_is_no_matter_how_rows_were_cut_or_whether_a_snapshot_came_between(cut: int) -> None:
    changes = {"forest_weight": 0.5, "forest_windows": 30, "warmup_windows": 5, "aside_us": 300 * SECOND}
    whole, parts = detector(**changes), detector(**changes)
    names = ["a", "b", "c", "d", "e"]
    events: list[list[Event]] = [[], []]
    sizes: list[int] = []
    for turn in range(16):
        start = turn * 400
        now = Now((START_S + start + 40) * SECOND, 0)
        shown = {names[turn // 2 % 5]: 50.0, names[(turn // 2 + 1) % 5]: 90.0, names[(turn // 2 + 3) % 5]: 70.0}
        batch = rows(("pump", f"pod-{turn % 3}"), range(start, start + 40), shown)
        events[0] += whole.on_batch([batch], now)
        for first, last in pairwise([*range(0, len(batch), cut), len(batch)]):
            events[1] += parts.on_batch([rows_of(batch, first, last)], now)
        sizes.append(len(parts.snapshot()))
        for after in (5, 70, 350):
            later = Now(now.us + after * SECOND, 0)
            events[0] += whole.on_time(later)
            events[1] += parts.on_time(later)
            assert parts.snapshot() == whole.snapshot()
            restored = detector(**changes)
            restored.restore(parts.snapshot())
            parts = restored
    assert events[0] == events[1]
    assert msgspec.msgpack.decode(msgspec.msgpack.decode(whole.snapshot())["metrics"])[-1] > 2, "columns were taken"
    assert max(sizes[8:]) < 1.2 * max(sizes[:8])


def test_nothing_led_to_an_episode_by_a_metric_that_was_cleared() -> None:
    lead = Lead(windows=1)
    lead.grow(2, 2)
    lead.push(np.arange(2), np.array([7, 7]), np.array([[1.0, 5.0], [2.0, 6.0]]))
    lead.clear_metric(np.array([1]), 1)
    assert [lead.before(slot, 1, since_us=0).z.tolist() for slot in range(2)] == [[[1.0, 5.0]], [[2.0, 0.0]]]


def room_of(metrics: Metrics, names: str, now_us: int) -> list[str]:
    """Return which of some metrics, one letter each, find room in a row."""
    metrics.columns(sorted(names), np.ones((1, len(names))), now_us)
    return [name for name in sorted(names) if name not in metrics.left_out]


def made(names: str) -> Metrics:
    metrics = Metrics(limit=len(names), counts={"metric_limit": 0})
    for now_us, name in enumerate(names):
        room_of(metrics, name, now_us)
    return metrics


def released(metrics: Metrics, since_us: int, *, held: str = "") -> list[int]:
    flags = np.array([name in held and bool(name) for name in metrics.names], bool)
    return metrics.release(unseen_since_us=since_us, held=flags)


def test_those_unseen_for_longest_make_room_for_as_many_as_wanted_some() -> None:
    metrics = made("dbca")
    assert released(metrics, 100) == [], "nobody wanted any"
    assert room_of(metrics, "xy", 50) == []
    assert released(metrics, 2, held="d") == [1, 2]
    assert metrics.names == ["d", "", "", "a"]
    assert released(metrics, 100) == []
    assert room_of(metrics, "bz", 60) == ["b", "z"]
    assert metrics.names == ["d", "b", "z", "a"]


def test_a_row_of_exactly_the_known_metrics_shows_all_of_them() -> None:
    metrics = made("ab")
    room_of(metrics, "ab", 90)
    room_of(metrics, "c", 95)
    assert released(metrics, 89) == []
    room_of(metrics, "c", 95)
    assert released(metrics, 90) == [0]


def test_which_columns_were_taken_since_is_known_after_a_restore() -> None:
    metrics = made("abc")
    room_of(metrics, "x", 10)
    released(metrics, 0)
    before = metrics.releases
    room_of(metrics, "xy", 20)
    released(metrics, 1)
    other = Metrics(limit=3, counts={})
    other.restore(metrics.snapshot())
    assert (metrics.taken_since(0), metrics.taken_since(before)) == ([0, 1], [1])
    assert (other.taken_since(0), other.taken_since(before)) == ([0, 1], [1])
    assert other.snapshot() == metrics.snapshot()
