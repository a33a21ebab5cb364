"""What is said of outcomes that do not suffice: the one thing they lack, with numbers, and what would change it."""

import math
import random
import re

import pytest
from msgspec.structs import replace

from streams.loop.durations import parse_duration
from streams.loop.gate import LevelSettings
from streams.loop.gate.density import LACKS, Thin, too_thin
from streams.loop.gate.feedback import Feedback

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
SETTINGS = LevelSettings(earn_within_us=30 * MINUTE)
ALPHA = 0.005


def feedback(
    *, apart_us: int, late_us: int = 18 * SECOND, times: int = 40, earns: tuple[float, float] = (0.0, 0.0),
    unmeasured: int = 0, fade_us: int = SETTINGS.earn_within_us,
) -> tuple[Feedback, int]:  # fmt: skip
    """Return what is known after so many outcomes of doing nothing, which earns two rewards in turn, and when.

    After each come so many decisions of which nothing could be measured.
    """
    known, now_us = Feedback(0), 0
    for number in range(1, times + 1):
        now_us = number * apart_us
        for reward in (earns[number % 2], *(None,) * unmeasured):
            nothing = reward is not None
            known.add(decided_us=now_us - late_us, time_us=now_us, reward=reward, nothing=nothing, fade_us=fade_us)
    return known, now_us


def thin_in(
    settings: LevelSettings = SETTINGS, *, raised: bool = False, cost: float = 0.0, **like: object
) -> Thin | None:
    """Return what outcomes lack where they always came like this."""
    known, now_us = feedback(**({"fade_us": settings.earn_within_us} | like))
    return too_thin(known, settings, now_us, alpha=ALPHA, cost=cost, raised=raised)


WORLDS: list[tuple[str, dict[str, object], str | None, str, str]] = [
    # world, what it is like, what it lacks, what is said of it, what would change it
    ("dense", {"apart_us": MINUTE}, None, "", ""),
    ("nothing known", {"apart_us": MINUTE, "times": 1}, "unknown", "1 outcomes of doing nothing are known", "hold_out"),
    ("unmeasured", {"apart_us": MINUTE, "unmeasured": 3}, "unmeasured", "of 75% of 90 decisions of late", "horizon"),
    ("passes", {"apart_us": MINUTE, "earns": (0.97, 0.97)}, "needless", "doing nothing earns 0.97", "shorter"),
    ("rare", {"apart_us": 10 * MINUTE}, "sparse", "11 outcomes of doing nothing, one in 9m, each 18s late, would take",
     "one in 160s or less"),
    ("late", {"apart_us": MINUTE, "late_us": HOUR}, "slow", "one in 59s, each 1h late, would take 71m, more than 30m",
     "outcomes at most 19m late, by a shorter attribute.horizon"),
    ("late and rare", {"apart_us": HOUR, "late_us": HOUR}, "slow", "", "a shorter attribute.horizon"),
    ("by chance", {"apart_us": MINUTE, "earns": (0.1, 0.9)}, "noisy", "(deviation 0.41) varied less", "steadier"),
    ("by chance, but often", {"apart_us": 5 * SECOND, "earns": (0.1, 0.9)}, None, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("world", "like", "lack", "says", "remedy"), WORLDS)
def test_the_one_thing_that_outcomes_lack_is_named(
    world: str, like: dict[str, int], lack: str | None, says: str, remedy: str
) -> None:
    thin = thin_in(cost=0.05, **like)
    assert (thin.lack if thin else None) == lack, (world, thin)
    assert thin is None or (says in thin.detail and remedy in thin.remedy)


def test_every_lack_but_those_of_which_nothing_is_known_is_named_in_one_of_these_worlds() -> None:
    assert {lack for _, _, lack, _, _ in WORLDS if lack} == set(LACKS)


@pytest.mark.parametrize("raised", [False, True])
@pytest.mark.parametrize(
    "like",
    [
        {"apart_us": 10 * MINUTE},
        {"apart_us": 67 * SECOND, "late_us": HOUR + 7 * SECOND},
        {"apart_us": HOUR, "late_us": 100 * MINUTE},
        {"apart_us": 2 * MINUTE, "earns": (0.0, 1.0)},
        *({"apart_us": number * 11 * SECOND} for number in range(35, 120, 8)),
    ],
)
def test_with_as_much_time_as_it_says_outcomes_suffice_to_rise(like: dict[str, int], raised: bool) -> None:
    thin = thin_in(raised=raised, **like)
    assert thin is not None
    enough_us = parse_duration(re.findall(r"earn_within of (\w+) or more", thin.remedy)[0])
    assert thin_in(replace(SETTINGS, earn_within_us=enough_us), times=2_000, **like) is None
    assert thin_in(replace(SETTINGS, earn_within_us=enough_us // 3), times=2_000, **like) is not None


@pytest.mark.parametrize("raised", [False, True])
@pytest.mark.parametrize("apart_us", [number * 11 * SECOND for number in range(35, 120, 8)])
def test_with_outcomes_as_often_as_it_says_they_suffice_to_rise(apart_us: int, raised: bool) -> None:
    thin = thin_in(raised=raised, apart_us=apart_us)
    assert thin is not None
    often_us = parse_duration(re.findall(r"one in (\w+) or less", thin.remedy)[0])
    assert thin_in(apart_us=often_us, times=1_000) is None
    assert thin_in(apart_us=2 * often_us, times=1_000) is not None


def test_with_outcomes_as_soon_as_it_says_they_suffice() -> None:
    thin = thin_in(apart_us=MINUTE, late_us=HOUR)
    assert thin is not None
    late_us = parse_duration(re.findall(r"at most (\w+) late", thin.remedy)[0])
    assert thin_in(apart_us=MINUTE, late_us=late_us) is None
    assert thin_in(apart_us=MINUTE, late_us=late_us + 2 * MINUTE) is not None


def test_no_setting_would_do_that_is_longer_than_any_may_be() -> None:
    thin = thin_in(apart_us=400 * DAY, fade_us=30 * MINUTE)
    assert thin is not None
    assert "earn_within" not in thin.remedy


def test_nobody_ever_decided_anything() -> None:
    thin = too_thin(None, SETTINGS, 0, alpha=ALPHA)
    assert thin is not None
    assert (thin.lack, thin.detail) == ("unknown", "0 outcomes of doing nothing are known, at least 2 must be")


def test_what_an_action_costs_is_not_there_to_be_gained() -> None:
    like = {"apart_us": 10 * SECOND, "times": 400, "earns": (0.5, 0.5)}
    assert thin_in(cost=0.1, **like) is None
    thin = thin_in(cost=0.5, **like)
    assert thin is not None
    assert thin.lack == "needless"


NEEDLESS: list[tuple[float, float, bool, str | None]] = [
    # levels.effect, what doing nothing earns, whether it was raised, what outcomes lack
    (0.3, 0.65, False, "needless"),
    (0.3, 0.42, False, "needless"),
    (0.3, 0.38, False, None),
    (0.3, 0.65, True, None),
    (0.3, 0.72, True, "needless"),
    (0.0, 0.97, False, None),
    (0.0, 1.0, True, "needless"),
]


@pytest.mark.parametrize(("effect", "nothing", "raised", "lack"), NEEDLESS)
def test_the_hoped_gain_must_be_more_than_the_effect_asked_and_of_what_was_raised_all_there_is(
    effect: float, nothing: float, raised: bool, lack: str | None
) -> None:
    thin = thin_in(replace(SETTINGS, effect=effect), raised=raised, apart_us=SECOND, earns=(nothing, nothing))
    assert (thin and thin.lack) == lack


def test_the_stricter_the_test_of_its_effect_the_more_outcomes_it_takes() -> None:
    known, now_us = feedback(apart_us=MINUTE, earns=(0.1, 0.9))
    least = [too_thin(known, SETTINGS, now_us, alpha=alpha) for alpha in (0.005, 0.0001)]
    told = [int(thin.detail.split()[0]) for thin in least if thin]
    assert told[1] == pytest.approx(told[0] * math.log(10_000) / math.log(200), abs=1)


def test_the_variance_of_two_outcomes_is_that_of_a_sample() -> None:
    known = Feedback(0)
    for reward in (0.2, 0.6):
        known.add(decided_us=0, time_us=0, reward=reward, nothing=True, fade_us=HOUR)
    assert (known.mean, known.variance) == (pytest.approx(0.4), pytest.approx(0.08))


def test_only_what_is_so_of_late_counts() -> None:
    known, now_us = feedback(apart_us=MINUTE, times=200)
    assert known.apart_us == pytest.approx(MINUTE, rel=0.05)
    assert too_thin(known, SETTINGS, now_us, alpha=ALPHA) is None
    thin = too_thin(known, SETTINGS, now_us + 2 * HOUR, alpha=ALPHA)
    assert thin is not None
    assert thin.lack == "sparse"
    for number in range(1, 31):
        later_us = now_us + number * MINUTE
        known.add(decided_us=later_us, time_us=later_us, reward=None, nothing=False, fade_us=SETTINGS.earn_within_us)
    thin = too_thin(known, SETTINGS, later_us, alpha=ALPHA)
    assert thin is not None
    assert (thin.lack, thin.detail[:20]) == ("unmeasured", "of 63% of 30 decisio")


@pytest.mark.parametrize("raised", [False, True])
def test_after_a_silence_of_any_length_outcomes_are_sparse(raised: bool) -> None:
    known, now_us = feedback(apart_us=MINUTE, times=50)
    for fades in (20, 1_000, 100_000):
        thin = too_thin(known, SETTINGS, now_us + fades * 30 * MINUTE, alpha=ALPHA, raised=raised)
        assert thin is not None
        assert thin.lack == "sparse"
    known.add(decided_us=0, time_us=now_us + 1_000 * 30 * MINUTE, reward=None, nothing=False, fade_us=30 * MINUTE)
    thin = too_thin(known, SETTINGS, known.at_us, alpha=ALPHA, raised=raised)
    assert thin is not None
    assert thin.lack == "sparse"  # of one decision of late nothing is said


@pytest.mark.parametrize("within_us", [DAY, 90 * DAY])
def test_outcomes_are_as_far_apart_as_they_were_where_earn_within_becomes_another(within_us: int) -> None:
    known, now_us = feedback(apart_us=6 * HOUR, times=240, fade_us=30 * DAY)
    settings = LevelSettings(earn_within_us=within_us)
    assert known.as_of(now_us, within_us).apart_us == pytest.approx(6 * HOUR, rel=0.01)
    assert (too_thin(known, settings, now_us, alpha=ALPHA) is None) == (within_us > DAY)
    for number in range(1, 41):
        now_us += 6 * HOUR
        known.add(decided_us=now_us, time_us=now_us, reward=0.0, nothing=True, fade_us=within_us)
        assert (too_thin(known, settings, now_us, alpha=ALPHA) is None) == (within_us > DAY), number


def test_what_was_raised_is_lowered_only_where_it_would_take_twice_as_long() -> None:
    assert thin_in(apart_us=4 * MINUTE) is not None
    assert thin_in(apart_us=4 * MINUTE, raised=True) is None
    assert thin_in(apart_us=7 * MINUTE, raised=True) is not None


def test_what_was_raised_is_lowered_only_where_half_as_many_are_measured_as_must_be() -> None:
    assert thin_in(apart_us=MINUTE, unmeasured=2) is not None
    assert thin_in(apart_us=MINUTE, unmeasured=2, raised=True) is None
    assert thin_in(apart_us=MINUTE, unmeasured=4, raised=True) is not None


def test_merged_feedback_is_that_of_both_patterns_heard_as_one() -> None:
    one, other, both = Feedback(0), Feedback(0), Feedback(0)
    draw = random.Random(3)
    for number in range(1, 60):
        at_us, reward = number * MINUTE, None if number % 7 == 0 else draw.random()
        told = {"decided_us": at_us - number * SECOND, "time_us": at_us, "reward": reward, "fade_us": 30 * MINUTE}
        for known in (draw.choice((one, other)), both):
            known.add(nothing=number % 3 > 0, **told)
    one.merge(other, 30 * MINUTE)
    for name in both.__struct_fields__:
        assert getattr(one.as_of(HOUR, 30 * MINUTE), name) == pytest.approx(
            getattr(both.as_of(HOUR, 30 * MINUTE), name)
        ), name
