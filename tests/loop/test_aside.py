"""Entities that come and go: put aside, packed, and back with all that was known of them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from schemas.events import Episode, Event
from streams.loop.detect import Detect, DetectSettings
from streams.loop.detect.aside import Aside
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch
from tests.laws.recorded import rows_of

SECOND = 1_000_000
HOUR = 3_600
START_S = 1_000_000
NEVER_S = 10**6


def detector(**changes: float) -> Detect:
    """Return a detect whose forest, which all entities share, has no say: what one does is its own affair."""
    settings = DetectSettings(window_us=SECOND, forest_weight=0.0, **changes)  # type: ignore[arg-type]
    return Detect(settings, loop="loop", partition=0, seed=1)


def rows(names: list[str], seconds: range, *, lift: float = 0.0) -> TelemetryBatch:
    """One row of each entity at each of these seconds; `lift` raises its one metric."""
    rng = np.random.default_rng(seconds.start)
    return TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(len(names) * len(seconds)) + 1_000 * seconds.start,
        entities=names * len(seconds),
        time_us=(START_S + np.repeat(seconds, len(names))) * SECOND,
        metrics=("load",),
        values=lift + 100 + rng.normal(size=(len(names) * len(seconds), 1)),
    )


def feed(detect: Detect, names: list[str], seconds: range, *, lift: float = 0.0) -> list[Event]:
    """Feed what entities send, twenty samples at once, with the timers that fall due; loop time is event time."""
    events: list[Event] = []
    for start in range(0, len(seconds), 20):
        some = seconds[start : start + 20]
        events += detect.on_time(Now((START_S + some.start) * SECOND, 0))
        events += detect.on_batch([rows(names, some, lift=lift)], Now((START_S + some.stop) * SECOND, 0))
    return events


def absence(detect: Detect) -> tuple[list[Event], bytes]:
    """`pump` is known well, away for two hours in which `fan` goes on, and back with a fault. Returns the state while
    it is away, too.
    """
    feed(detect, ["pump", "fan"], range(200))
    feed(detect, ["fan"], range(200, 2 * HOUR, 40))
    away = detect.snapshot()
    return feed(detect, ["pump", "fan"], range(2 * HOUR, 2 * HOUR + 60), lift=20), away


def test_who_was_put_aside_comes_back_as_if_he_had_stayed() -> None:
    packed, kept = detector(aside_us=600 * SECOND), detector(aside_us=NEVER_S * SECOND)
    (events, away), (expected, there) = absence(packed), absence(kept)
    assert away != there
    assert events == expected
    assert {event.entity for event in events if isinstance(event, Episode)} == {"pump", "fan"}


def test_who_is_known_is_noticed_at_once_and_who_was_forgotten_is_not() -> None:
    opened: dict[int, list[str]] = {}
    for limit in (0, 10):
        events, _ = absence(detector(aside_us=600 * SECOND, aside_limit=limit))
        opened[limit] = [e.entity for e in events if isinstance(e, Episode) and e.phase == "opened"]
    assert "pump" in opened[10]
    assert "pump" not in opened[0]


def test_whoever_comes_for_an_hour_leaves_no_row_in_the_tables() -> None:
    """A hundred entities, four at a time: the tables hold those of the last minutes, the rest lies packed."""
    forgetful, mindful = detector(aside_us=120 * SECOND, aside_limit=0), detector(aside_us=120 * SECOND)
    sizes: list[int] = []
    for generation in range(25):
        names = [f"pod-{generation}-{number}" for number in range(4)]
        seconds = range(300 * generation, 300 * generation + 300, 10)
        for detect in (forgetful, mindful):
            feed(detect, names, seconds)
        sizes.append(len(forgetful.snapshot()))
    assert max(sizes[5:]) < 1.1 * sizes[4]
    assert len(mindful.snapshot()) > 1.5 * sizes[-1]


def test_a_full_table_puts_aside_whoever_has_been_gone_longest() -> None:
    tight, wide = detector(entity_limit=2, aside_us=NEVER_S * SECOND), detector(aside_us=NEVER_S * SECOND)
    for detect in (tight, wide):
        feed(detect, ["pump", "fan"], range(100))
        feed(detect, ["fan"], range(100, 200))
        feed(detect, ["belt", "fan"], range(200, 300))
    told = [feed(detect, ["pump", "fan"], range(300 + HOUR, 360 + HOUR), lift=20) for detect in (tight, wide)]
    assert told[0] == told[1]
    assert {e.entity for e in told[0] if isinstance(e, Episode)} == {"pump", "fan"}
    assert tight.counts["entity_limit"] == 0


def test_names_that_come_once_push_out_nobody_who_is_known() -> None:
    detect = detector(entity_limit=2, aside_limit=2, aside_us=NEVER_S * SECOND)
    feed(detect, ["pump"], range(100))
    for number in range(20):
        feed(detect, [f"request-{number}"], range(200 + 100 * number, 201 + 100 * number))
    events = feed(detect, ["pump"], range(HOUR, HOUR + 60), lift=60)
    assert {event.entity for event in events if isinstance(event, Episode)} == {"pump"}


def test_nobody_is_put_aside_because_one_clock_is_ahead() -> None:
    detect = detector(aside_us=600 * SECOND)
    feed(detect, ["pump"], range(100))
    ahead = Now((START_S + 100) * SECOND, 0)
    detect.on_batch([rows(["fan"], range(20 * HOUR, 20 * HOUR + 1))], ahead)
    for second in range(105, 300, 5):
        detect.on_time(Now((START_S + second) * SECOND, 0))
    assert put_aside(detect) == []
    for second in range(300, 900, 50):
        feed(detect, ["belt"], range(second, second + 50))
    assert sorted(put_aside(detect)) == ["fan", "pump"], "both have been silent for ten minutes"


def put_aside(detect: Detect) -> list[str]:
    return [entity for entity, _ in msgspec.msgpack.decode(detect.snapshot())["aside"]]


def test_nobody_is_looked_for_while_all_are_silent() -> None:
    detect = detector(aside_us=600 * SECOND)
    feed(detect, ["pump", "fan"], range(100))
    later = Now((START_S + 10 * HOUR) * SECOND, 0)
    detect.on_time(later)
    later = Now(later.us + 5 * SECOND, 0)
    detect.on_time(later)  # counts once more, and finds nobody
    assert detect.next_time() is None, "a fleet that is silent costs nothing"


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_it_is_no_matter_how_rows_were_cut_or_whether_a_snapshot_came_between(cut: int) -> None:
    whole, parts = detector(aside_us=60 * SECOND, entity_limit=3), detector(aside_us=60 * SECOND, entity_limit=3)
    names = ["a", "b", "c", "d", "e"]
    events: list[list[Event]] = [[], []]
    for turn in range(12):
        start = turn * 200
        now = Now((START_S + start + 60) * SECOND, 0)
        # two known, then some that need their room, in another order every turn
        batch = rows([names[turn % 5], names[(turn + 2) % 5], names[(turn * 3 + 1) % 5]], range(start, start + 60))
        events[0] += whole.on_batch([batch], now)
        for first in range(0, len(batch), cut):
            events[1] += parts.on_batch([rows_of(batch, first, first + cut)], now)
        assert parts.snapshot() == whole.snapshot()
        restored = detector(aside_us=60 * SECOND, entity_limit=3)
        restored.restore(parts.snapshot())
        parts = restored
        for after in (10, 70, 140):
            later = Now(now.us + after * SECOND, 0)
            events[0] += whole.on_time(later)
            events[1] += parts.on_time(later)
    assert events[0] == events[1]


def test_what_was_packed_fits_a_row_that_has_more_metrics_by_now() -> None:
    store = aside()
    blank = [np.zeros((2, 2)), np.array([0], np.int64)]
    store.put("pump", "east", [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5], np.int64)], blank, releases=0)
    row = [np.full((2, 3), -1.0), np.array([0], np.int64)]
    packed = store.take("pump")
    assert packed is not None
    packed.onto(row)
    assert packed.group == "east"
    assert row[0].tolist() == [[1.0, 2.0, -1.0], [3.0, 4.0, -1.0]]
    assert row[1].tolist() == [5]
    assert store.take("pump") is None


def aside(*, limit: int = 10, bytes_limit: int = 1_000_000) -> Aside:
    return Aside(limit=limit, bytes_limit=bytes_limit)


def put(store: Aside, name: str, *, numbers: int = 1) -> None:
    """Put aside what does not get smaller."""
    known = np.random.default_rng(numbers).normal(size=numbers)
    store.put(name, "", [known], [np.zeros(numbers)], releases=0)


def kept(store: Aside, names: str) -> str:
    return "".join(name for name in names if store.take(name) is not None)


def test_only_so_many_are_remembered() -> None:
    store = aside(limit=2)
    for name in "abc":
        put(store, name)
    assert kept(store, "abc") == "bc"


def test_only_so_many_bytes_are_remembered_and_counted_alike_after_a_restore() -> None:
    store = aside(bytes_limit=10_000)
    for name in "abcd":
        put(store, name, numbers=300)
    restored = aside(bytes_limit=10_000)
    restored.adopt(store.columns())
    for one in (store, restored):
        put(one, "e", numbers=300)
        put(one, "f")
        assert one.size() <= 10_000
        assert kept(one, "abcdef") == "cdef"
        assert one.size() == 0
        put(one, "g", numbers=2_000)
        assert kept(one, "g") == ""


@pytest.mark.parametrize("untouched", [0.0, np.nan, np.inf])
def test_columns_that_nothing_is_known_of_do_not_show(untouched: float) -> None:
    narrow, wide = aside(), aside()
    for store, metrics in ((narrow, 2), (wide, 4)):
        known, blank = np.full((3, metrics), untouched), np.full((3, metrics), untouched)
        known[1, 1] = 7.0
        store.put("pump", "", [known], [blank], releases=0)
    assert narrow.columns() == wide.columns()


def test_zero_below_nothing_is_kept_to_the_bit() -> None:
    store, row = aside(), [np.zeros(2)]
    store.put("pump", "", [np.array([1.0, -0.0])], [np.zeros(2)], releases=0)
    packed = store.take("pump")
    assert packed is not None
    packed.onto(row)
    assert np.signbit(row[0]).tolist() == [False, True]


def test_who_comes_back_is_not_forgotten_for_the_one_who_leaves() -> None:
    tight = detector(entity_limit=1, aside_limit=1, aside_us=NEVER_S * SECOND)
    wide = detector(aside_us=NEVER_S * SECOND)
    for detect in (tight, wide):
        feed(detect, ["pump"], range(100))
        feed(detect, ["fan"], range(200, 300))
    told = [feed(detect, ["pump"], range(HOUR, HOUR + 60), lift=60) for detect in (tight, wide)]
    assert told[0] == told[1]
    assert any(isinstance(event, Episode) for event in told[0])


def test_it_is_no_matter_whether_who_leaves_and_a_new_metric_come_in_one_batch() -> None:
    whole, parts = (
        detector(entity_limit=2, aside_us=NEVER_S * SECOND),
        detector(entity_limit=2, aside_us=NEVER_S * SECOND),
    )
    for detect in (whole, parts):
        feed(detect, ["pump", "fan"], range(100))
        feed(detect, ["fan"], range(100, 200))
    came = rows(["belt", "fan"], range(200, 202))
    values = np.concatenate([came.values, [[np.nan], [np.nan], [np.nan], [5.0]]], axis=1)
    batch = replace(came, metrics=("load", "zest"), values=values)
    now = Now((START_S + 202) * SECOND, 0)
    whole.on_batch([batch], now)
    for row in range(4):
        one = rows_of(batch, row, row + 1)
        if row < 3:
            one = replace(one, metrics=("load",), values=one.values[:, :1])
        parts.on_batch([one], now)
    assert whole.snapshot() == parts.snapshot()
