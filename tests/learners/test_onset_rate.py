import random

from streams.learners.onset_rate import OnsetRate

S = 1_000_000
WINDOW = 10 * S


def rate(*, calm: int = 0, onsets: int = 0, every: int = 1) -> OnsetRate:
    """Return what is known after so many calm seconds and then onsets, one every few seconds."""
    learned = OnsetRate(window_us=WINDOW)
    learned.watch(0)
    learned.watch(calm * S)
    for number in range(onsets):
        learned.learn((calm + number * every) * S)
    return learned


def seconds(*times: float) -> list[int]:
    return [round(time * S) for time in times]


def test_onsets_at_once_after_a_calm_time_are_a_burst() -> None:
    assert rate(calm=3_600).burst(3_600 * S, seconds(3_601, 3_602)) == (3_600 * S, 3_602 * S)


def test_two_are_none() -> None:
    assert rate(calm=3_600).burst(3_600 * S, seconds(3_600)) is None


def test_nothing_is_unlikely_while_nothing_is_known() -> None:
    at_once = seconds(*[20] * 50)
    assert OnsetRate(window_us=WINDOW).burst(20 * S, at_once) is None
    assert rate(calm=29).burst(20 * S, at_once) is None
    assert rate(calm=31).burst(20 * S, at_once) is not None


def test_the_less_is_known_the_more_it_takes() -> None:
    together = seconds(100, 102, 104)
    assert rate(calm=40).burst(100 * S, together) is None
    assert rate(calm=900).burst(100 * S, together) is not None


def test_as_many_as_usual_are_none_and_many_more_are_one() -> None:
    learned = rate(onsets=900)
    assert learned.burst(900 * S, seconds(*(range(891, 900)))) is None
    assert learned.burst(900 * S, [*seconds(*(range(891, 900))), *[900 * S] * 12]) == (900 * S, 900 * S)


def test_who_comes_so_much_later_that_it_may_be_chance_is_not_of_the_burst() -> None:
    learned = rate(onsets=90, every=10)
    burst = seconds(*[900] * 6)
    assert learned.burst(900 * S, [*burst, 904 * S]) == (900 * S, 900 * S)
    assert learned.burst(904 * S, burst) is None
    assert learned.burst(seconds(900.3)[0], burst) == (900 * S, seconds(900.3)[0])


def test_who_came_first_of_all_after_a_calm_time_is_of_the_burst() -> None:
    learned = rate(calm=3_600)
    assert learned.burst(3_609 * S, [3_600 * S, *seconds(*[3_609] * 5)]) == (3_600 * S, 3_609 * S)
    assert learned.burst(3_600 * S, seconds(*[3_609] * 6)) == (3_600 * S, 3_609 * S)


def test_onsets_of_coarse_windows_are_apart_as_long_as_a_window() -> None:
    learned = rate(onsets=300, every=3)
    at_once = seconds(*[900] * 6)
    assert learned.burst(900 * S, at_once) is not None
    learned.measure(9 * S)
    assert learned.burst(900 * S, at_once) is None


def test_what_is_usual_changes() -> None:
    learned = rate(calm=10_000, onsets=1_000)
    assert learned.burst(11_000 * S, seconds(*range(10_991, 11_000))) is None
    learned.watch(30_000 * S)
    assert learned.burst(30_000 * S, seconds(*range(29_991, 30_000))) is not None


def test_a_burst_is_not_part_of_what_is_usual_while_it_goes_on() -> None:
    learned = rate(calm=3_600)
    for second in (3_600, 3_601, 3_602, 3_603):
        learned.learn(second * S)
    assert learned.burst(3_603 * S, seconds(3_600, 3_601, 3_602)) is not None


def test_random_onsets_are_hardly_ever_a_burst() -> None:
    chance, learned, found = random.Random(5), OnsetRate(window_us=WINDOW), 0
    second, times = 0.0, [0]
    for _ in range(3_000):
        second += chance.expovariate(1.0)
        time_us = round(second * S)
        learned.learn(time_us)
        found += learned.burst(time_us, [one for one in times[-40:] if one >= time_us - WINDOW]) is not None
        times.append(time_us)
    assert found <= 6


def test_long_after_is_as_if_watched_all_the_time() -> None:
    at_once, often = rate(onsets=50), rate(onsets=50)
    for second in range(50, 5_000):
        often.watch(second * S)
    at_once.watch(4_999 * S)
    near = seconds(5_000, 5_003, 5_007)
    for one, other in ((at_once, often), (often, at_once)):
        assert (one.burst(5_000 * S, near) is None) == (other.burst(5_000 * S, near) is None)
    at_once.watch(10**15)


def test_what_is_remembered_is_bounded_and_restored() -> None:
    learned = OnsetRate(window_us=WINDOW)
    sizes = []
    for number in range(5_000):
        learned.learn(number * S)
        sizes.append(len(learned.snapshot()))
    assert max(sizes[100:]) <= max(sizes[:100]) + 16
    restored = OnsetRate(window_us=WINDOW)
    restored.restore(learned.snapshot())
    assert restored.snapshot() == learned.snapshot()


def test_what_was_counted_in_other_windows_is_left_out() -> None:
    other = OnsetRate(window_us=2 * WINDOW)
    empty = other.snapshot()
    other.restore(rate(onsets=500).snapshot())
    assert other.snapshot() == empty
