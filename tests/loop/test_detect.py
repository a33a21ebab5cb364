"""What detect writes, as tables: one entity, one metric, one window per letter."""

import numpy as np
import pytest

from schemas.events import Census, Episode, Event, Measurement
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.telemetry import TelemetryBatch

SECOND = 1_000_000
START = 1_000_000 * SECOND
HEALTHY = (10.0, 11.0, 9.0, 10.5, 9.5)


def batch(rows: list[tuple[str, float, dict[str, float]]], **more: object) -> TelemetryBatch:
    """Rows of (entity, second, values)."""
    metrics = tuple(sorted({name for _, _, values in rows for name in values}))
    return TelemetryBatch(
        topic="telemetry",
        partition=0,
        offsets=np.arange(len(rows)) + round(rows[0][1] * 10),
        entities=[entity for entity, _, _ in rows],
        time_us=np.array([START + round(second * SECOND) for _, second, _ in rows]),
        metrics=metrics,
        values=np.array([[values.get(name, np.nan) for name in metrics] for _, _, values in rows]),
        **more,  # type: ignore[arg-type]
    )


def at(second: float) -> Now:
    return Now(START + round(second * SECOND), START)


def sensitive(**changes: object) -> DetectSettings:
    defaults = {
        "window_us": 0, "warmup_windows": 5, "onset_windows": 2, "close_windows": 2, "measure_after_us": 0,
        "false_alarms": "1/hour", "rearm_windows": 0, "smooth_windows": 1, "learn_episodes": False,
    }  # fmt: skip
    return DetectSettings(**(defaults | changes))  # type: ignore[arg-type]


def detector(**changes: object) -> Detect:
    return Detect(sensitive(**changes), loop="loop", partition=3, seed=1)


def letters(detect: Detect, story: str) -> tuple[str, list[Event]]:
    """Feed a sample per letter (. healthy, H high, L low); answer a letter per sample: Opened, oNset, Closed."""
    events: list[Event] = []
    answer = ""
    for second, letter in enumerate(story):
        value = {"H": 100.0, "L": -80.0}.get(letter, HEALTHY[second % 5])
        found = detect.on_batch([batch([("pump", second, {"load": value})])], at(second))
        phases = "".join({"opened": "O", "onset": "N", "closed": "C"}[e.phase] for e in found if isinstance(e, Episode))
        answer += phases[-1] if phases else ("m" if found else ".")
        events += found
    return answer, events


@pytest.mark.parametrize(
    ("story", "expected", "changes"),
    [
        ("..........................", "..........................", {}),
        (".........HHHHHH......", ".........ONmmmmmC....", {}),  # opens at once, closes after 2 normal
        (".........HH.HH.HH....", ".........ONmmmmmmmC..", {}),  # one normal window does not close it
        (".........H.H.........", ".........ONmmC.......", {}),  # the onset takes the first 2 windows as they are
        (".........H...........", ".........ONC.........", {}),
        (".........H...........", ".........OmC.........", {"onset_windows": 8}),  # closed before its onset was full
        ("H........H...........", ".........ONC.........", {}),  # warming up: nothing is abnormal yet
        ("." * 9 + "H" * 40 + "...", "." * 9 + "ON" + "m" * 39 + "C.", {}),  # a fault does not become normal
        (".........HHHHHHHHHHHH", ".........ONmmC.......", {"accept_windows": 5}),  # a new normal is accepted
        (".........H..........H", ".........ONCm.......O", {"measure_after_us": SECOND}),
    ],
)
def test_episodes_open_and_close_by_hysteresis(story, expected, changes):
    answer, events = letters(detector(**changes), story)
    assert answer == expected
    phases = [e.phase for e in events if isinstance(e, Episode)]
    assert phases == ["opened", "onset", "closed"] * (len(phases) // 3) + ["opened"] * (len(phases) % 3)


@pytest.mark.parametrize(("story", "opens"), [("H.....", False), ("HH....", True), ("H.H...", True), ("H..H..", False)])
def test_with_windows_two_abnormal_of_three_open_an_episode(story, opens):
    detect = detector(window_us=SECOND)
    _, events = letters(detect, "............" + story + "...")
    assert any(isinstance(e, Episode) and e.phase == "opened" for e in events) == opens


@pytest.mark.parametrize("step", [6.0, -8.0])
def test_a_small_shift_that_lasts_is_one_episode_and_then_normal(step):
    """Small beside the mean (the score's least spread is 5 % of it), large beside what the entity ever did."""
    detect = Detect(DetectSettings(), loop="loop", partition=0, seed=1)
    values = 100 + 0.1 * np.random.default_rng(0).normal(size=1_500)
    values[500:] += step
    events = detect.on_batch(
        [batch([("pump", s, {"load": value}) for s, value in enumerate(values.tolist())])], at(1_500)
    )
    opened = [e for e in events if isinstance(e, Episode) and e.phase == "opened"]
    closed = [e for e in events if isinstance(e, Episode) and e.phase == "closed"]
    assert 1 <= len(opened) <= 2
    assert len(closed) == len(opened)
    assert closed[0].windows == DetectSettings().accept_windows
    measured = [e.abnormal for e in events if isinstance(e, Measurement)]
    assert len(measured) >= DetectSettings().accept_windows
    assert not any(measured)  # a recovery is measured by the score


@pytest.mark.parametrize("first", [138, 141, 144])
def test_a_spike_on_a_metric_of_few_values_does_not_make_its_usual_jumps_abnormal(first):
    """After a spike, which is not learned, averages are a hair off what they ever were; so then is every jump."""
    detect = detector(warmup_windows=10, false_alarms="1/day")
    spikes = list(range(first, 500, 40))
    values = [95.0 if second in spikes else 50.0 + (second + 62) % 3 for second in range(500)]
    rows = [("pump", second, {"load": value, "queue": value / 5}) for second, value in enumerate(values)]
    events = detect.on_batch([batch(rows)], at(500))
    opened = [e.opened_us for e in events if isinstance(e, Episode) and e.phase == "opened"]
    assert opened == [START + second * SECOND for second in spikes]


def test_an_onset_says_what_moved_how_and_what_it_was_made_of():
    detect = detector(onset_windows=3)
    rows = [("pump", s, {"load": HEALTHY[s % 5], "heat": HEALTHY[s % 5], "flow": HEALTHY[s % 5]}) for s in range(10)]
    rows += [("pump", 10 + s, {"load": 100.0, "heat": -40.0, "flow": 10.0}) for s in range(3)]
    events = detect.on_batch([batch(rows, tokens={11: "valve open"}, groups={0: "east"})], at(13))
    onset = next(e for e in events if isinstance(e, Episode) and e.phase == "onset")
    assert onset.signature["load"].peak == 10
    assert onset.signature["heat"].peak == -10
    assert onset.signature["load"].trend == 0
    assert sum(onset.shares.values()) == pytest.approx(1)
    assert set(onset.shares) == {"load", "heat"}
    assert onset.state == {"load": 100.0, "heat": -40.0, "flow": 10.0}
    assert (onset.windows, onset.tokens, onset.group, onset.confidence) == (3, ("valve open",), "east", 1.0)
    assert onset.opened_us == START + 10 * SECOND


def test_a_ramp_has_a_trend_in_its_direction():
    detect = detector(onset_windows=4)
    rows = [("pump", s, {"load": HEALTHY[s % 5]}) for s in range(30)]
    rows += [("pump", 30 + s, {"load": 14.0 + 1.0 * s}) for s in range(6)]
    events = detect.on_batch([batch(rows)], at(36))
    onset = next(e for e in events if isinstance(e, Episode) and e.phase == "onset")
    assert onset.signature["load"].trend > 0.3


def test_every_window_of_an_episode_is_measured_and_some_after_it():
    _, events = letters(detector(measure_after_us=3 * SECOND), ".........HHHH...........")
    measured = [(e.start_us - START) // SECOND for e in events if isinstance(e, Measurement)]
    assert measured == list(range(9, 18))
    assert [e.abnormal for e in events if isinstance(e, Measurement)] == [True] * 4 + [False] * 5


def test_where_whole_lives_are_followed_every_window_is_measured_and_nothing_else_changes():
    story = ".........HHHH................HH......"
    settings = sensitive(measure_after_us=2 * SECOND)
    few, all_of_them = (
        Detect(settings, loop="loop", partition=3, seed=1, measures_all=measures) for measures in (False, True)
    )
    (told, some), (_, every) = letters(few, story), letters(all_of_them, story)
    assert "O" in told
    assert "C" in told
    measured = [event for event in every if isinstance(event, Measurement)]
    assert [(event.start_us - START) // SECOND for event in measured] == list(range(len(story)))
    assert [event for event in every if not isinstance(event, Measurement) or event.episode] == some
    assert few.snapshot() == all_of_them.snapshot()


def test_a_window_holds_the_means_of_its_rows_and_counts_them():
    detect = detector(window_us=2 * SECOND, open_windows=1)
    rows = [("pump", s, {"load": HEALTHY[s % 5]}) for s in range(40)]
    rows += [("pump", 40.0, {"load": 100.0}), ("pump", 40.5, {"load": 300.0}), ("pump", 41.0, {}), ("pump", 44.0, {})]
    measurement = next(e for e in detect.on_batch([batch(rows)], at(45)) if isinstance(e, Measurement))
    assert measurement.values == {"load": 200.0}
    assert measurement.samples == 3
    assert (measurement.start_us, measurement.end_us) == (START + 40 * SECOND, START + 42 * SECOND)


def test_rows_out_of_order_wait_for_each_other_within_the_lateness():
    patient, hasty = (detector(window_us=SECOND, lateness_us=lateness) for lateness in (SECOND, 0))
    rows = [("pump", 0.0, {"load": 1.0}), ("pump", 1.2, {"load": 1.0}), ("pump", 0.5, {"load": 1.0})]
    for detect in (patient, hasty):
        detect.on_batch([batch(rows)], at(2))
    assert not any(patient.counts.values())
    assert hasty.counts["late"] == 1


def test_the_same_entity_and_time_counts_once():
    detect = detector(window_us=SECOND)
    rows = [("pump", 0.0, {"load": 1.0}), ("fan", 0.0, {"load": 1.0}), ("pump", 0.0, {"load": 7.0})]
    detect.on_batch([batch(rows)], at(1))
    assert {reason: rows for reason, rows in detect.counts.items() if rows} == {"duplicates": 1}


def test_silence_closes_a_window_and_then_the_episode():
    detect = detector(window_us=SECOND, open_windows=1, idle_us=3 * SECOND, gone_us=20 * SECOND)
    rows = [("pump", s, {"load": HEALTHY[s % 5]}) for s in range(10)] + [("pump", 10, {"load": 100.0})]
    assert detect.on_batch([batch(rows)], at(10)) == []
    assert detect.on_time(at(12.9)) == []
    assert detect.next_time() == at(13).us
    closed = detect.on_time(at(13))
    assert [e.phase for e in closed if isinstance(e, Episode)] == ["opened"]
    assert all(e.causes == (f"timer:detect:idle/pump/0/{at(13).us}",) for e in closed)
    counted = [e for e in detect.on_time(at(29)) if isinstance(e, Census)]
    assert [(e.live, e.abnormal) for e in counted] == [(1, 1)]
    gone = detect.on_time(at(30))
    assert [e.phase for e in gone if isinstance(e, Episode)] == ["onset", "closed"]
    assert [(e.live, e.abnormal) for e in gone if isinstance(e, Census)] == [(0, 0)]
    assert detect.next_time() is None


def test_each_group_is_counted_every_five_seconds():
    detect = detector()
    rows = [(name, s, {"load": HEALTHY[s % 5]}) for s in range(10) for name in ("pump", "fan", "belt")]
    rows += [("pump", 10, {"load": 100.0})]
    detect.on_batch([batch(rows, groups={0: "east", 1: "east"})], at(10))
    assert detect.next_time() == at(15).us
    censuses = [e for e in detect.on_time(at(15)) if isinstance(e, Census)]
    assert [(e.group, e.live, e.abnormal, e.partition) for e in censuses] == [("", 1, 0, 3), ("east", 2, 1, 3)]
    assert detect.next_time() == at(20).us


def test_censuses_of_two_partitions_are_never_taken_for_one():
    counted = []
    for partition in (0, 1):
        detect = Detect(DetectSettings(), loop="loop", partition=partition, seed=1)
        detect.on_batch([batch([(f"pump{partition}", 0, {"load": 10.0})])], at(0))
        counted += detect.on_time(at(5))
    assert [e.partition for e in counted if isinstance(e, Census)] == [0, 1]
    assert len({e.id for e in counted}) == 2


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])
def test_no_value_poisons_what_is_normal(poison):
    detect = detector()
    rows = [("pump", s, {"load": HEALTHY[s % 5] if s != 7 else poison}) for s in range(200)]
    detect.on_batch([batch(rows)], at(200))
    answer = detect.on_batch([batch([("pump", 300 + s, {"load": 1000.0}) for s in range(3)])], at(303))
    opened = [e for e in answer if isinstance(e, Episode)]
    assert opened[0].phase == "opened"
    assert all(np.isfinite(m.peak) for e in opened for m in e.signature.values())


def test_a_constant_metric_must_change_by_a_few_floors_to_matter():
    for change, opens in [(0.01, False), (0.03, False), (1.0, True)]:
        detect = detector()
        rows = [("pump", s, {"load": 2.0}) for s in range(30)] + [("pump", 30, {"load": 2.0 + change})]
        assert bool(detect.on_batch([batch(rows)], at(31))) == opens


def test_what_nothing_is_known_of_is_never_abnormal():
    """However frequent alarms may be: neither a new entity is, nor one that tells no metric."""
    detect = detector(false_alarms="1/second", p_floor=1.0)
    rows = [("mute", s, {}) for s in range(20)] + [("pump", s, {"load": HEALTHY[s]}) for s in range(5)]
    assert detect.on_batch([batch(rows)], at(20)) == []


def test_alarms_in_all_are_parted_among_those_that_are_there():
    values = np.random.default_rng(5).normal(100, 1, (600, 20))
    opened = {}
    for in_all, partitions in ((None, 1), ("1/hour", 1), ("1/hour", 8)):
        settings = DetectSettings(
            window_us=0, false_alarms="1/minute", false_alarms_in_all=in_all, rearm_windows=0, forest_weight=0.0
        )
        detect = Detect(settings, loop="loop", partition=0, seed=1, partitions=partitions)
        found = []
        for start in range(0, len(values), 5):
            found += detect.on_time(at(start))
            rows = [
                (f"pump-{number}", start + second, {"load": value})
                for second, row in enumerate(values[start : start + 5].tolist())
                for number, value in enumerate(row)
            ]
            found += detect.on_batch([batch(rows)], at(start + 5))
        opened[in_all, partitions] = sum(isinstance(e, Episode) and e.phase == "opened" for e in found)
    assert opened["1/hour", 8] <= opened["1/hour", 1] < opened[None, 1] / 10


def test_settings_report_all_their_errors_at_once():
    with pytest.raises(
        ValueError, match=r"(?s)threshold must be positive.*window_us must not be negative.*one rate.*idle must"
    ):
        DetectSettings(window_us=-1, threshold=0, idle_us=90 * SECOND, false_alarms="1/day and 2/week")
    with pytest.raises(
        ValueError,
        match=r"rearm_windows must not be negative.*; smooth_windows must be at least 1, got 0; floors.load must be",
    ):
        DetectSettings(rearm_windows=-1, smooth_windows=0, floors={"load": 0.0, "heat": 0.1})
