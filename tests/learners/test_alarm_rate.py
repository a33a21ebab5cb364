import math

import numpy as np
import pytest

from streams.learners.alarm_rate import LONGEST_ALARM, AlarmRate

ROW = np.array([0])
SECOND = 1_000_000


def rate(
    *, every_s: int = 1_000, in_all_every_s: int = 0, floor: float = 1.0, rearm_windows: int = 0, rows: int = 1
) -> AlarmRate:
    made = AlarmRate(
        alarms=1,
        interval_us=every_s * SECOND,
        floor=floor,
        per_alarm=2.0,
        rearm_windows=rearm_windows,
        in_all_per_us=1 / (in_all_every_s * SECOND) if in_all_every_s else math.inf,
    )
    made.grow(rows)
    return made


def alarms(target: AlarmRate, surprise: np.ndarray, *, step_us: int = SECOND) -> np.ndarray:
    """Return the windows that are alarms."""
    found = []
    for number, value in enumerate(surprise.tolist()):
        needed, armed, _ = target.follow(ROW, np.array([number * step_us]))
        if value >= needed[0] and armed[0]:
            target.spend(ROW)
            found.append(number)
    return np.array(found)


@pytest.mark.parametrize("every_s", [50, 200])
@pytest.mark.parametrize("inflated", [0.7, 1.0, 1.25])
def test_alarms_keep_the_stated_rate_even_where_surprise_is_inflated_or_deflated(every_s, inflated):
    surprise = inflated * np.random.default_rng(0).exponential(size=12_000)
    found = alarms(rate(every_s=every_s), surprise)
    assert 0.5 < len(found[found > 5 * every_s]) * every_s / (12_000 - 5 * every_s) < 2


@pytest.mark.parametrize("in_all_every_s", [100, 400])
def test_rows_that_share_a_rate_keep_it_together(in_all_every_s):
    rows, windows = 20, 8_000
    target = rate(every_s=500, in_all_every_s=in_all_every_s, rows=rows)
    target.share(rows)
    surprise = np.random.default_rng(3).exponential(size=(windows, rows))
    found = 0
    for number, values in enumerate(surprise):
        needed, _, _ = target.follow(np.arange(rows), np.full(rows, number * SECOND))
        alarm = np.flatnonzero(values >= needed)
        target.spend(alarm)
        found += len(alarm)
    assert 0.5 < found * in_all_every_s / windows < 2


def test_a_shared_rate_never_loosens_and_leaves_a_short_past_as_short_as_it_was():
    alone, ample, scarce = rate(every_s=100), rate(every_s=100, in_all_every_s=1), rate(every_s=100, in_all_every_s=100)
    for target in (ample, scarce):
        target.share(100)
    short_for = np.zeros(2)
    for number in range(2_000):
        (own, _, short), (same, _, _), (more, _, as_short) = (
            target.follow(ROW, np.array([number * SECOND])) for target in (alone, ample, scarce)
        )
        assert same == own
        assert more >= own
        short_for += short[0], as_short[0]
    assert short_for[0] == pytest.approx(short_for[1], abs=10)  # meanwhile one of them loosens more
    restored = rate(every_s=100, in_all_every_s=100)
    restored.restore(scarce.snapshot())
    assert restored.snapshot() == scarce.snapshot()
    assert restored.follow(ROW, np.array([2_000 * SECOND])) == scarce.follow(ROW, np.array([2_000 * SECOND]))


def test_a_restored_state_keeps_the_rates_that_are_stated_now():
    before = rate(every_s=1_000, in_all_every_s=10_000)
    before.share(4)
    alarms(before, np.zeros(2_000))
    needed = {}
    for every_s, in_all_every_s in ((1_000, 0), (100, 0), (100, 1_000)):
        now = rate(every_s=every_s, in_all_every_s=in_all_every_s)
        now.restore(before.snapshot())
        needed[every_s, in_all_every_s] = now.follow(ROW, np.array([2_000 * SECOND]))[0][0]
    assert needed[1_000, 0] - needed[100, 0] == pytest.approx(math.log(10), abs=0.1)
    assert needed[100, 1_000] - needed[100, 0] == pytest.approx(math.log(40), abs=0.1)


def test_the_rate_is_one_of_time_however_far_apart_the_windows_are():
    surprise = np.random.default_rng(1).exponential(size=6_000)
    assert len(alarms(rate(every_s=50 * 60), surprise, step_us=60 * SECOND)) == len(alarms(rate(every_s=50), surprise))


def test_an_outage_does_not_loosen_the_threshold():
    target = rate(every_s=10_000)
    needed = [target.follow(ROW, np.array([number * SECOND]))[0][0] for number in range(500)]
    hour_later = 500 + 3_600
    after = [target.follow(ROW, np.array([(hour_later + number) * SECOND]))[0][0] for number in range(300)]
    assert min(after) > needed[-1] - 0.1
    assert after[-1] == pytest.approx(needed[-1], abs=0.02)  # 800 windows without an alarm loosen it too


def test_two_windows_at_once_do_not_stop_the_rate_for_ever():
    target = rate(every_s=100)
    for number in (0, 0, *range(1, 50)):
        needed = target.follow(ROW, np.array([number * SECOND]))[0]
    assert needed[0] < 10


def test_no_window_more_common_than_the_floor_is_an_alarm():
    target = rate(every_s=2, floor=0.01)
    for number in range(1_000):
        needed, _, _ = target.follow(ROW, np.array([number * SECOND]))
    assert needed[0] == pytest.approx(-math.log(0.01))


def test_the_controller_does_not_get_used_to_what_is_far_beyond_all_doubt():
    assert len(alarms(rate(), np.full(1_000, 50.0))) > 990


def test_after_an_alarm_it_is_silent_until_it_is_armed_again():
    found = alarms(rate(rearm_windows=100), np.full(350, 50.0))
    assert np.diff(found).tolist() == [100] * (len(found) - 1)


def test_an_alarm_lasts_while_windows_are_abnormal_but_not_for_ever():
    target = rate(rearm_windows=100)
    armed = []
    for number in range(1_200):
        armed.append(bool(target.follow(ROW, np.array([number * SECOND]))[1][0]))
        if number in {0, 600}:
            target.spend(ROW)
        elif number < 50 or (number >= 600 and not armed[-1]):
            target.hold(ROW, np.array([7.0]))
        elif not armed[-1]:
            target.hold(ROW, np.array([6.5]))  # of 100 windows, 1 in 7 times one is so rare
    again = [number for number in range(1, 1_200) if armed[number] and not armed[number - 1]]
    assert again == [49 + 100, 600 + LONGEST_ALARM - 1 + 100]


def test_it_is_told_how_long_ago_an_alarm_was():
    target = rate()
    target.follow(ROW, np.array([0]))
    assert target.ago(ROW)[0] == np.inf
    target.spend(ROW)
    for number in range(1, 4):
        target.follow(ROW, np.array([number * SECOND]))
    assert target.ago(ROW)[0] == 3


def test_an_alarm_that_had_a_cause_does_not_tighten_the_threshold():
    caused, uncaused, silent = (rate() for _ in range(3))
    needed = []
    for number in range(20):
        needed = [target.follow(ROW, np.array([number * SECOND]))[0][0] for target in (caused, uncaused, silent)]
        if number in {5, 10}:
            caused.spend(ROW)
            uncaused.spend(ROW)
        elif number in {7, 12}:
            caused.refund(ROW)
    assert needed[0] == pytest.approx(needed[2])
    assert needed[1] > needed[2] + 0.5


def test_a_past_shorter_than_the_rate_is_told():
    target = rate(every_s=100)
    short = [bool(target.follow(ROW, np.array([number * SECOND]))[2][0]) for number in range(200)]
    assert short == sorted(short, reverse=True)
    assert 40 < sum(short) < 120


def test_many_rows_are_no_different_from_one_and_a_restored_state_is_the_same():
    many, one = rate(rows=3), rate(rows=3)
    for number in range(50):
        times = np.full(3, number * SECOND)
        many.follow(np.arange(3), times)
        for row in range(3):
            one.follow(np.array([row]), times[:1])
    for target in (many, one):
        target.spend(np.array([1]))
    assert one.snapshot() == many.snapshot()
    other = rate()
    other.restore(many.snapshot())
    assert other.snapshot() == many.snapshot()
    other.clear(1)
    assert other.snapshot() != many.snapshot()
