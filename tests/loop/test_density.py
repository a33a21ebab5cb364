"""What is said of outcomes that do not suffice: the one thing they lack, with numbers, and what would change it."""

import random

import pytest

from streams.loop.gate import LevelSettings
from streams.loop.gate.density import Feedback, Thin, too_thin

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
SETTINGS = LevelSettings(earn_within_us=30 * MINUTE)


def feedback(
    *, apart_us: int, late_us: int = 18 * SECOND, times: int = 40, earns: tuple[float, float] = (0.0, 0.0),
    unmeasured: int = 0, fade_us: int = SETTINGS.earn_within_us,
) -> tuple[Feedback, int]:  # fmt: skip
    """Return what is known after so many outcomes of doing nothing, which earns one of two rewards by chance, and when.

    After each come so many decisions of which nothing could be measured.
    """
    draw = random.Random(5)
    known, now_us = Feedback(0, 0), 0
    for number in range(1, times + 1):
        now_us = number * apart_us
        for reward in (draw.choice(earns), *(None,) * unmeasured):
            nothing = reward is not None
            known.add(decided_us=now_us - late_us, now_us=now_us, reward=reward, nothing=nothing, fade_us=fade_us)
    return known, now_us


WORLDS: list[tuple[str, dict[str, object], str | None, str, str]] = [
    # world, what it is like, what it lacks, what is said of it, what would change it
    ("dense", {"apart_us": MINUTE}, None, "", ""),
    ("nothing known", {"apart_us": MINUTE, "times": 1}, "unknown", "1 outcomes of doing nothing are known", "hold_out"),
    ("unmeasured", {"apart_us": MINUTE, "unmeasured": 3}, "unmeasured", "of 75% of 160 decisions nothing", "horizon"),
    ("passes", {"apart_us": MINUTE, "earns": (0.97, 0.97)}, "needless", "doing nothing earns 0.97", "shorter"),
    ("rare", {"apart_us": 10 * MINUTE}, "sparse", "10 outcomes of doing nothing, one in 9m, each 18s late, would take",
     "one in 3m or less"),
    ("late", {"apart_us": MINUTE, "late_us": HOUR}, "slow", "one in 59s, each 1h late, would take 70m, more than 30m",
     "an attribute.horizon below 20m"),
    ("late and rare", {"apart_us": HOUR, "late_us": HOUR}, "slow", "", "a shorter attribute.horizon"),
    ("by chance", {"apart_us": MINUTE, "earns": (0.1, 0.9)}, "noisy", "(deviation 0.38) varied less", "steadier"),
    ("by chance, but often", {"apart_us": 5 * SECOND, "earns": (0.1, 0.9)}, None, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("world", "like", "lack", "says", "remedy"), WORLDS)
def test_the_one_thing_that_outcomes_lack_is_named(
    world: str, like: dict[str, int], lack: str | None, says: str, remedy: str
) -> None:
    known, now_us = feedback(**like)
    thin = too_thin(known, SETTINGS, now_us, cost=0.05)
    assert (thin.lack if thin else None) == lack, (world, thin)
    assert thin is None or (says in thin.detail and remedy in thin.remedy)


@pytest.mark.parametrize("like", [WORLDS[4][1], WORLDS[5][1], WORLDS[7][1]])
def test_with_as_much_time_as_it_says_outcomes_suffice(like: dict[str, int]) -> None:
    known, now_us = feedback(**like, fade_us=60 * DAY)
    assert too_thin(known, LevelSettings(earn_within_us=60 * DAY), now_us) is None


def test_nobody_ever_decided_anything() -> None:
    thin = too_thin(None, SETTINGS, 0)
    assert thin is not None
    assert (thin.lack, thin.detail) == ("unknown", "0 outcomes of doing nothing are known, at least 2 must be")


def test_what_an_action_costs_is_not_there_to_be_gained() -> None:
    known, now_us = feedback(apart_us=MINUTE, earns=(0.5, 0.5))
    assert too_thin(known, SETTINGS, now_us, cost=0.1) is None
    thin = too_thin(known, SETTINGS, now_us, cost=0.5)
    assert isinstance(thin, Thin)
    assert thin.lack == "needless"


def test_only_what_is_so_of_late_counts() -> None:
    known, now_us = feedback(apart_us=MINUTE, times=200)
    assert known.apart_us(now_us, SETTINGS.earn_within_us) == pytest.approx(MINUTE, rel=0.05)
    assert too_thin(known, SETTINGS, now_us) is None
    later_us = now_us + 2 * HOUR
    thin = too_thin(known, SETTINGS, later_us)
    assert thin is not None
    assert thin.lack == "sparse"
    known, now_us = feedback(apart_us=MINUTE, times=200)
    for number in range(1, 31):
        later_us = now_us + number * MINUTE
        known.add(decided_us=later_us, now_us=later_us, reward=None, nothing=False, fade_us=SETTINGS.earn_within_us)
    assert known.unobservable / known.judged == pytest.approx(0.63, abs=0.02)


def test_what_was_raised_is_lowered_only_where_it_would_take_twice_as_long() -> None:
    known, now_us = feedback(apart_us=4 * MINUTE)
    assert too_thin(known, SETTINGS, now_us) is not None
    assert too_thin(known, SETTINGS, now_us, raised=True) is None
    known, now_us = feedback(apart_us=7 * MINUTE)
    assert too_thin(known, SETTINGS, now_us, raised=True) is not None
