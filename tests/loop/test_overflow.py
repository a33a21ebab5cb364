"""What finds no room is counted in a bucket per limit and told: at once, then once a minute."""

import numpy as np

from schemas.events import Event, Overflow
from streams.loop.detect import Detect
from streams.loop.telemetry import TelemetryBatch
from streams.operate.narration import Narration
from tests.loop.test_detect import START, at, detector

SECOND = 1_000_000


def rows(names: list[str], second: int, metrics: tuple[str, ...] = ("load",)) -> TelemetryBatch:
    return TelemetryBatch(
        topic="telemetry",
        partition=3,
        offsets=np.arange(len(names)) + 100 * second,
        entities=names,
        time_us=np.full(len(names), START + second * SECOND),
        metrics=metrics,
        values=np.ones((len(names), len(metrics))),
    )


def told(events: list[Event]) -> list[tuple[str, int, int, tuple[str, ...]]]:
    return [(one.limit, one.rows, one.names, one.examples) for one in events if isinstance(one, Overflow)]


def run(detect: Detect, seconds: range, names: list[str]) -> list[Event]:
    """Rows of these entities every second, and the timers that fall due."""
    events: list[Event] = []
    for second in seconds:
        events += detect.on_time(at(second))
        events += detect.on_batch([rows(names, second)], at(second))
    return events


def test_a_crowd_is_told_of_with_numbers_and_examples() -> None:
    detect = detector(entity_limit=2)
    names = ["pump", "fan", *(f"pod-{number}" for number in range(8))]
    events = run(detect, range(6), names)
    five = ("pod-0", "pod-1", "pod-2", "pod-3", "pod-4")
    assert told(events) == [("entity_limit", 40, 8, five)]
    assert detect.counts["entity_limit"] == 48
    assert [one.partition for one in events if isinstance(one, Overflow)] == [3]


def test_it_is_told_once_a_minute_and_no_longer_than_it_lasts() -> None:
    detect = detector(entity_limit=1)
    events = run(detect, range(131), ["pump", "fan"]) + run(detect, range(131, 400), ["pump"])
    assert told(events) == [
        ("entity_limit", 5, 1, ("fan",)),
        ("entity_limit", 60, 1, ("fan",)),
        ("entity_limit", 60, 1, ("fan",)),
        ("entity_limit", 6, 1, ("fan",)),
    ]


def test_metrics_and_full_windows_are_told_of_too() -> None:
    detect = detector(metric_limit=1, window_us=SECOND, window_rows_limit=1)
    detect.on_batch([rows(["pump"], 0, ("load", "heat", "flow"))], at(0))
    crowded = rows(["pump", "pump"], 1)
    crowded.time_us[1] += SECOND // 2
    detect.on_batch([crowded], at(1))
    # of metrics that come up together the first by name finds room
    assert told(detect.on_time(at(5))) == [("metric_limit", 4, 2, ("heat", "load")), ("window_rows_limit", 1, 0, ())]


def test_it_is_no_matter_how_rows_were_cut_or_whether_a_snapshot_came_between() -> None:
    whole, parts = detector(entity_limit=2), detector(entity_limit=2)
    names = ["pump", "fan", "belt", "pod", "belt", "valve"]
    batch = rows(names, 0)
    whole.on_batch([batch], at(0))
    for row, name in enumerate(names):
        one = rows([name], 0)
        one.offsets[0] = row
        parts.on_batch([one], at(0))
        restored = detector(entity_limit=2)
        restored.restore(parts.snapshot())
        parts = restored
    assert parts.snapshot() == whole.snapshot()
    expected = whole.on_time(at(5))
    assert told(expected) == [("entity_limit", 4, 3, ("belt", "pod", "valve"))]
    assert parts.on_time(at(5)) == expected


def test_a_person_is_told_which_setting_makes_room() -> None:
    events = run(detector(entity_limit=2), range(6), [f"pod-{number}" for number in range(9)])
    (line,) = [line for line in map(Narration().tell, events) if line]
    who = "7 entities (pod-2, pod-3, pod-4, pod-5, pod-6, ...)"
    assert line.endswith(f"no room for 35 samples of {who} in partition 3: detect.entity_limit")
