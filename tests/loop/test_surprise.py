"""Whether a window surprises: one entity, one metric, a window a second."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streams.learners.season_choice import DAY_US
from streams.learners.season_profile import SLOTS
from streams.loop.detect import DetectSettings
from streams.loop.detect.surprise import Judged, Surprise

SECOND = 1_000_000
SLOT = np.array([0])


def settings(**changes: object) -> DetectSettings:
    defaults = {"false_alarms": "1/500s", "p_per_alarm": 1.0, "smooth_windows": 1}
    return DetectSettings(**(defaults | changes))  # type: ignore[arg-type]


def taught(values: np.ndarray, **changes: object) -> tuple[Surprise, list[Judged]]:
    """Judge and learn a window per value of one entity."""
    surprise = Surprise(settings(**changes))
    surprise.grow(1, ["load"])
    judged = [step(surprise, second, value) for second, value in enumerate(values.tolist())]
    return surprise, judged


def step(surprise: Surprise, second: int, value: float, *, score: float = 0.0, learn: bool = True) -> Judged:
    window = (SLOT, np.array([[value]]), np.array([second * SECOND]))
    judged = surprise.judge(*window, np.array([score]))
    if learn:
        surprise.learn(*window, judged, None)
    return judged


def noise(windows: int, *, level: float = 100.0, seed: int = 0) -> np.ndarray:
    return level + np.random.default_rng(seed).normal(size=windows)


def test_what_never_happened_is_abnormal_and_what_always_does_is_not():
    surprise, _ = taught(noise(1_000))
    assert not step(surprise, 1_000, 100.5, learn=False).abnormal[0]
    assert step(surprise, 1_000, 108.0, learn=False).abnormal[0]


@pytest.mark.parametrize("level", [10.0, 100.0])
def test_noise_is_abnormal_as_often_as_stated_though_most_of_it_is_within_the_slack(level):
    """At 100, one deviation is all that the least spread of 1 % allows."""
    runs = [taught(noise(2_500, level=level, seed=seed))[1] for seed in range(2)]
    alarms = sum(bool(judged.abnormal[0]) for run in runs for judged in run[1_000:])
    assert 1 <= alarms <= 24  # 6 are stated


def test_less_than_the_slack_of_the_least_spread_surprises_nobody():
    surprise, _ = taught(100 + 0.01 * (noise(1_000) - 100))
    assert not step(surprise, 1_000, 101.5, learn=False).abnormal[0]  # 150 deviations, but 1.5 %
    assert step(surprise, 1_000, 104.0, learn=False).abnormal[0]


@pytest.mark.parametrize(
    ("value", "score", "window_us", "abnormal"),
    [
        (105.0, 3.0, SECOND, True),
        (100.5, 3.0, SECOND, True),  # far off by score
        (105.0, 2.0, SECOND, True),  # a little off, and rare
        (100.5, 2.0, SECOND, False),  # a little off, but not rare
        (105.0, 1.9, SECOND, False),
        (105.0, 2.0, 0, False),  # where one window opens an episode
    ],
)
def test_while_the_past_is_short_the_score_counts(value, score, window_us, abnormal):
    surprise, _ = taught(noise(100), false_alarms="1/day", window_us=window_us)
    assert bool(step(surprise, 100, value, score=score, learn=False).abnormal[0]) == abnormal


def test_a_shift_does_not_make_the_next_one_ordinary():
    """Samples each a window; the settings are the defaults."""
    shifts = [1_500, 2_300, 3_100, 3_900, 4_700]
    values = noise(5_500)
    for shift in shifts:
        values[shift:] += 6
    surprise = Surprise(DetectSettings(window_us=0, false_alarms="1/1000s"))
    surprise.grow(1, ["load"])
    alarms = []
    for second, value in enumerate(values.tolist()):
        judged = step(surprise, second, value)
        if judged.abnormal[0] and judged.armed[0]:
            surprise.spend(SLOT)
            alarms.append(second)
    raised = [[alarm for alarm in alarms if shift <= alarm < shift + 500] for shift in shifts]
    assert all(1 <= len(found) <= 2 and found[0] < shift + 50 for shift, found in zip(shifts, raised, strict=True))


def test_the_floor_is_lower_where_every_sample_is_a_window():
    assert [settings(window_us=window_us).floor for window_us in (0, SECOND)] == [0.001, 0.01]
    assert settings(window_us=0, p_floor=0.02).floor == 0.02


def test_an_absent_value_is_never_abnormal():
    surprise, _ = taught(noise(1_000))
    judged = step(surprise, 1_000, np.nan)
    assert np.isnan(judged.total[0])
    assert not judged.abnormal[0]


def test_an_entity_that_is_forgotten_starts_afresh():
    surprise, judged = taught(noise(200))
    surprise.forget(0)
    again = [step(surprise, second, value) for second, value in enumerate(noise(200).tolist())]
    assert [one.total.tobytes() for one in again] == [one.total.tobytes() for one in judged]


def test_entities_judged_together_are_judged_as_if_alone():
    rows = np.stack([noise(300, seed=seed) for seed in range(3)], axis=1)
    together = Surprise(settings())
    together.grow(3, ["load"])
    slots = np.arange(3)
    totals = []
    for second, values in enumerate(rows):
        window = (slots, values[:, None], np.full(3, second * SECOND))
        judged = together.judge(*window, np.zeros(3))
        together.learn(*window, judged, None)
        totals.append(judged.total)
    alone = [[one.total[0] for one in taught(rows[:, slot])[1]] for slot in slots]
    assert np.array(totals).T.tobytes() == np.array(alone).tobytes()


def test_what_settles_does_so_whichever_of_the_windows_judged_with_it_are_learned():
    slots, some = np.arange(3), np.array([0, 2])
    together, apart = Surprise(settings()), Surprise(settings())
    for surprise in (together, apart):
        surprise.grow(3, ["load"])
    for second, values in enumerate(noise(900).reshape(300, 3, 1)):
        window = (slots, values, np.full(3, second * SECOND))
        judged = replace(together.judge(*window, np.zeros(3)), moved=np.array([[False], [True], [True]]))
        together.learn(*window, judged, some)
        apart.learn(*window, replace(apart.judge(*window, np.zeros(3)), moved=np.zeros((3, 1), bool)), some)
    kept, moved = ([row.tobytes() for row in together.row(slot)] for slot in (0, 2))
    assert kept == [row.tobytes() for row in apart.row(0)]
    assert moved != [row.tobytes() for row in apart.row(2)]


def test_a_season_that_gives_way_to_the_day_is_no_alarm_by_itself():
    """Windows of five minutes: what comes every hour at first, and the much larger day that shows later."""
    slots, windows, step_us = np.arange(8), 2_200, 300 * SECOND
    phase = 2 * np.pi * np.random.default_rng(1).random(8)
    hour, day = (np.sin(2 * np.pi * np.arange(windows)[:, None] / period + phase) for period in (12, 288))
    day[:600] = 0.0
    rows = 100 + 6.0 * hour + 12.0 * day + np.random.default_rng(2).normal(size=(windows, 8))
    surprise = Surprise(DetectSettings(window_us=0, false_alarms="1/300000s"))
    surprise.grow(8, ["load"])
    alarms, own = np.zeros((2, windows, 8), bool)
    for number, values in enumerate(rows):
        times = np.full(8, number * step_us)
        judged = surprise.judge(slots, values[:, None], times, np.zeros(8))
        surprise.learn(slots, values[:, None], times, judged, None)
        alarms[number] = judged.abnormal & judged.armed
        surprise.spend(alarms[number].nonzero()[0])
        own[number] = judged.phases[:, 0] != times * SLOTS // DAY_US % SLOTS
    given_way = windows - own[::-1].argmax(axis=0)
    assert own[580:600].any(axis=0).all()
    assert given_way.max() < windows - 100
    assert sum(alarms[place : place + 100, slot].sum() for slot, place in enumerate(given_way.tolist())) <= 1


def test_a_restored_one_goes_on_alike():
    whole, _ = taught(noise(300))
    other = Surprise(settings())
    other.adopt(whole.columns(), ["load"])
    for second, value in enumerate(noise(50, seed=1).tolist()):
        assert step(whole, 300 + second, value).total == step(other, 300 + second, value).total
    assert msgspec.msgpack.encode(other.columns()) == msgspec.msgpack.encode(whole.columns())


def test_a_metric_that_was_forgotten_of_one_entity_is_as_if_it_had_never_come():
    slots = np.arange(2)
    taught_both, fresh = Surprise(settings()), Surprise(settings())
    for surprise in (taught_both, fresh):
        surprise.grow(2, ["load", "heat"])
    for second, values in enumerate(noise(400).reshape(100, 2, 2)):
        window = (slots, values, np.full(2, second * SECOND))
        taught_both.learn(*window, taught_both.judge(*window, np.zeros(2)), None)
    taught_both.forget_metric(slots[1:], 1)

    def of_metric(surprise: Surprise, slot: int) -> list[bytes]:
        return [array[..., 1].tobytes() for array in surprise.row(slot) if array.shape[-1] == 2]

    assert of_metric(taught_both, 1) == of_metric(fresh, 1)
    differ = [one != other for one, other in zip(of_metric(taught_both, 0), of_metric(fresh, 0), strict=True)]
    assert differ.count(True) >= 7, "averages, seasons and five numbers of its tails"
