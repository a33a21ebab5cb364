"""Windows of a horizon: those that go on alike are kept as one, and what there is no room for is told."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Overflow
from streams.loop.attribute.joins import Join, Window, keep, parts_of, window_of, with_another
from streams.loop.attribute.reward import measure, outcome_of
from tests.loop.decided import (
    START,
    S,
    at,
    closed,
    measured,
    measurement,
    onset,
    outcome,
    recorded,
)
from tests.loop.test_attribute import ALLOWED, CLAIM, SETTINGS, fresh, run, told

FLAPPING = ".x.x.x.x.x"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "windows", ["xxx.......", "xxxxxxxx..", "xxxxxxxxxx", "xx.xxxxx..", "x----xxx..", "xxx-------"]
)
def test_of_more_windows_than_are_kept_the_abnormal_ones_need_the_room_of_one(*, windows: str, late: bool) -> None:
    ended = [CLAIM, outcome(ALLOWED, "succeeded", 1.0)]
    few, many = fresh(windows_limit=8), fresh()
    found = []
    for processor in (few, many):
        begun = [onset(cpu=1.0), ALLOWED]
        if late:
            run(processor, *begun)
            begun = []
        (one,) = run(processor, *begun, *told(windows), *ended)
        found.append(one)
    one, other = found
    assert one.availability == pytest.approx(other.availability)
    assert replace(one, availability=None) == replace(other, availability=None)


MOMENTS = st.none() | st.integers(min_value=0, max_value=24).map(lambda half: START + half * S // 2)


@given(
    text=st.lists(st.sampled_from(["x", "xx", "xxxx", ".", "..", "....", "-", "--", " "]), max_size=8).map("".join),
    lengths_us=st.sampled_from([(S, S), (S, S // 2)]),
    ended_us=MOMENTS,
    closed_us=MOMENTS,
    other_us=MOMENTS,
)
def test_windows_that_go_on_alike_are_kept_as_one_and_measured_as_themselves(
    text: str, lengths_us: tuple[int, int], ended_us: int | None, closed_us: int | None, other_us: int | None
) -> None:
    """The first half of them may be longer than the others; a dash is a normal one that does not tell."""
    windows, end_us = [], START
    for n, letter in enumerate(text):
        start_us, end_us = end_us, end_us + lengths_us[2 * n >= len(text)]
        if letter != " ":
            windows.append(Window(start_us, end_us, letter == "x", n / 9, letter != "-"))
    kept: list[Window] = []
    for window in windows:
        kept, is_cut = with_another(kept, window, 1_000, is_cut=False)
        assert not is_cut
    parts = [part for window in kept for part in parts_of(window)]
    assert [replace(one, availability=None) for one in parts] == [replace(one, availability=None) for one in windows]
    changes = sum(one != other or n * 2 == len(text) for n, (one, other) in enumerate(pairwise(text), 1))
    assert len(kept) <= changes + 1 + (lengths_us[0] != lengths_us[1])
    found, expected = (
        measure(
            those,
            decided_us=START,
            ended_us=ended_us or START,
            closed_us=closed_us,
            horizon_us=10 * S,
            settings=SETTINGS,
            other_us=other_us,
        )
        for those in (kept, [replace(one, availability=None) for one in windows])
    )
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.recovered, found.recovery_us, found.left) == (
            expected.recovered,
            expected.recovery_us,
            expected.left,
        )


def test_a_long_horizon_needs_the_room_of_its_changes() -> None:
    join, settings = Join(verdict=ALLOWED, verdict_at="", due_us=0), replace(SETTINGS, horizon_us=3_600 * S)
    for second in range(3_600):
        one = measurement(second, abnormal=second < 1_800 or second == 2_500)
        assert not keep(join, window_of(one, settings, {}), settings)
    assert [one.count for one in join.windows] == [1_800, 700, 1, 1_099]
    found = outcome_of(join, "none", since_us=START, horizon_us=3_600 * S, others_us=(), settings=settings)
    assert found is not None
    assert (found.recovery_us, found.availability) == (1_800 * S, pytest.approx((0.5 * 1_801 + 1_799) / 3_600))


@pytest.mark.parametrize("length_us", [0, S])
def test_windows_that_were_put_together_are_not_kept_again(length_us: int) -> None:
    several = [replace(one, end_us=one.start_us + length_us) for one in measured("xxxxxxx", first=1)]
    join = Join(verdict=ALLOWED, verdict_at="", due_us=0)
    settings = replace(SETTINGS, windows_limit=3)
    for again in ([], several):
        for one in [*several, *again]:
            assert not keep(join, window_of(one, settings, {}), settings)
        (*_, last) = join.windows
        assert sum(one.known for one in join.windows) == len(several)
        assert (join.windows[0].start_us, last.end_us) == (START + S, several[-1].end_us)
        assert len(join.windows) <= settings.windows_limit


def test_where_there_is_no_room_even_so_what_has_not_recovered_is_unobservable_and_that_is_told() -> None:
    ended = [CLAIM, outcome(ALLOWED, "succeeded", 1.0)]
    cases = ((FLAPPING, "unobservable", None, 2), ("x..x.x.x.x", "observed", 0.9 - 0.1, 1))
    for windows, state, reward, left_out in cases:
        processor = fresh(windows_limit=7)
        (told_of,) = processor.on_batch(recorded(ALLOWED, *ended, *measured(windows)), at(10))
        assert isinstance(told_of, Overflow)
        assert (told_of.limit, told_of.rows, told_of.examples) == ("outcome.windows_limit", 1, ("web-1",))
        processor.restore(processor.snapshot())
        assert processor.on_batch(recorded(*measured(windows), closed(9), first=50), at(10)) == []  # again
        (one,) = run(processor)
        assert (one.state, one.reward) == (state, None if reward is None else pytest.approx(reward))
        (rest,) = processor.on_time(at(70))
        assert isinstance(rest, Overflow)
        assert (rest.limit, rest.rows, rest.names) == ("outcome.windows_limit", left_out, 1)
        assert processor.next_time() is None
