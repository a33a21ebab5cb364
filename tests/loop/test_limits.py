"""Limits promise: at most N reservations in every half-open interval of length T, and not one fewer than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.loop.durations import format_duration, parse_duration
from streams.loop.limits import KEPT, KEPT_US, Limit, Limits, SlidingWindows, parse_limits

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

SPELLED: list[tuple[str, Limits]] = [
    ("3/hour", (Limit(3, HOUR),)),
    ("3/hour and 7/day", (Limit(3, HOUR), Limit(7, DAY))),
    ("20/10m", (Limit(20, 600 * SECOND),)),
    (" 1 / second ", (Limit(1, SECOND),)),
    ("2/250ms", (Limit(2, 250_000),)),
    ("1/week and 0/day", (Limit(1, 7 * DAY), Limit(0, DAY))),
]


@pytest.mark.parametrize(("text", "limits"), SPELLED)
def test_limits_are_read_as_people_write_them(text: str, limits: Limits) -> None:
    assert parse_limits(text) == limits
    assert parse_limits(" and ".join(str(limit) for limit in limits)) == limits


WRONG: list[tuple[str, str]] = [
    ("", 'expected a limit such as "3/hour and 7/day" or "20/10m", got ""'),
    ("3 per hour", 'expected a limit such as "3/hour and 7/day" or "20/10m", got "3 per hour"'),
    ("3/hour or 7/day", 'got "3/hour or 7/day"'),
    ("3/fortnight", 'such as 10m after "/", got "3/fortnight"'),
    ("-3/hour", 'expected a limit such as "3/hour and 7/day" or "20/10m", got "-3/hour"'),
    ("3/0s", 'expected an interval longer than 0s, got "3/0s"'),
    ("10001/hour", 'expected at most 10000 per interval, got "10001/hour"'),
    ("3/hour and ", "expected"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_is_no_limit_is_refused_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        parse_limits(text)
    assert says in str(error.value)


DURATIONS: list[tuple[str, int | None]] = [
    ("1s", SECOND),
    ("250ms", 250_000),
    ("1.5s", 1_500_000),
    ("2m", 120 * SECOND),
    ("1h", HOUR),
    ("1d", DAY),
    ("0s", 0),
    ("3us", 3),
    ("2000ns", 2),
    ("0.1m", 6 * SECOND),
    ("1ns", None),
    ("1", None),
    ("s", None),
    ("1 s", None),
    ("-1s", None),
    ("1e3s", None),
    ("1w", None),
    ("99999999d", None),
    ("٣s", None),
]


@pytest.mark.parametrize(("text", "us"), DURATIONS)
def test_durations_are_exact_microseconds_or_refused(text: str, us: int | None) -> None:
    if us is None:
        with pytest.raises(ValueError, match="expected"):
            parse_duration(text)
    else:
        assert parse_duration(text) == us


@given(st.integers(min_value=0, max_value=10 * 365 * DAY))
def test_a_duration_written_is_read_again(us: int) -> None:
    assert parse_duration(format_duration(us)) == us


def windows(text: str, keys_max: int = 100) -> SlidingWindows:
    return under(parse_limits(text), keys_max)


def under(limits: Limits, keys_max: int = 100) -> SlidingWindows:
    def limits_of(key: str) -> Limits:
        del key
        return limits

    return SlidingWindows(limits_of=limits_of, keys_max=keys_max)


def most_in_any_interval(times: list[int], interval_us: int) -> int:
    """Count by brute force: the fullest half-open interval begins at some reservation."""
    return max((sum(start <= time < start + interval_us for time in times) for start in times), default=0)


LIMITS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 50)).map(lambda pair: Limit(pair[0], pair[1])), min_size=1, max_size=3
)


@given(limits=LIMITS, gaps=st.lists(st.integers(0, 30), max_size=60), restarts=st.sets(st.integers(0, 60)))
def test_a_reservation_is_possible_exactly_when_no_interval_would_hold_more_than_allowed(
    limits: list[Limit], gaps: list[int], restarts: set[int]
) -> None:
    book = under(tuple(limits))
    times: list[int] = []
    now = 0
    for step, gap in enumerate(gaps):
        now += gap
        if step in restarts:
            state = book.state()
            book = under(tuple(limits))
            book.restore(state)
        possible = all(most_in_any_interval([*times, now], limit.interval_us) <= limit.count for limit in limits)
        standing = book.standing("loop", now)
        assert standing.possible == possible
        if not possible and standing.next_us is not None:
            assert_first_possible(standing.next_us, times, limits, now)
        if possible:
            book.reserve("loop", now)
            times.append(now)


def assert_first_possible(next_us: int, times: list[int], limits: list[Limit], now: int) -> None:
    def fits(time: int) -> bool:
        return all(most_in_any_interval([*times, time], limit.interval_us) <= limit.count for limit in limits)

    assert fits(next_us)
    assert not any(fits(time) for time in range(now, next_us))


def test_the_interval_is_half_open_the_next_one_comes_after_exactly_its_length() -> None:
    book = windows("1/second")
    book.reserve("loop", 0)
    assert not book.standing("loop", SECOND - 1).possible
    assert book.standing("loop", SECOND - 1).next_us == SECOND
    assert book.standing("loop", SECOND).possible


def test_a_clock_that_steps_back_gives_nothing_back() -> None:
    book = windows("2/second")
    book.reserve("loop", 5 * SECOND)
    book.reserve("loop", 4 * SECOND)
    assert not book.standing("loop", 4 * SECOND).possible
    assert not book.standing("loop", 6 * SECOND - 1).possible
    assert book.standing("loop", 6 * SECOND).possible


def test_a_reservation_says_whether_it_was_the_last_one_for_now() -> None:
    book = windows("2/second and 3/hour")
    assert [book.reserve("loop", us) for us in (0, 1, SECOND, 2 * HOUR)] == [False, True, True, False]
    assert windows("2/second").reserve("loop", 0) is False
    assert windows("1/second").reserve("loop", 0) is True


def test_when_a_blocked_key_is_free_again_is_known() -> None:
    book = windows("1/hour and 2/day")
    assert book.blocked_until("loop", 0) is None
    book.reserve("loop", 0)
    book.reserve("entity:e1", 5)
    assert book.blocked_until("entity:e1", HOUR) == HOUR + 5
    book.reserve("loop", HOUR)
    again = windows("1/hour and 2/day")
    again.restore(book.state())
    for one in (book, again):
        assert one.keys() == ["entity:e1", "loop"]
        assert one.blocked_until("loop", HOUR) == DAY
        assert one.blocked_until("loop", DAY) is None
    assert windows("0/day").blocked_until("loop", 0) == 0


def test_keys_do_not_spend_each_others_allowance() -> None:
    book = windows("1/hour")
    book.reserve("action:restart", 0)
    assert not book.standing("action:restart", 1).possible
    assert book.standing("action:wait", 1).possible


@given(
    limits=LIMITS,
    steps=st.lists(st.tuples(st.integers(0, 20), st.sampled_from("aab")), max_size=50),
    join=st.integers(0, 50),
)
def test_keys_that_are_joined_have_spent_the_sum_of_both(
    limits: list[Limit], steps: list[tuple[int, str]], join: int
) -> None:
    book, now, times = under(tuple(limits)), 0, {"a": [], "b": []}
    for gap, key in steps[:join]:
        now += gap
        book.reserve(key, now)
        times[key].append(now)
    book.join("a", "b")
    both = sorted(times["a"] + times["b"])
    for gap, _ in steps[join:]:
        now += gap
        spent = [sum(time > now - limit.interval_us for time in both) for limit in limits]
        possible = all(count < limit.count for count, limit in zip(spent, limits, strict=True))
        assert book.standing("b", now).possible == possible
        assert book.standing("a", now).spent == 0
        if possible:
            book.reserve("b", now)
            both.append(now)
    assert book.state().times == ({"b": both} if both else {})


def test_of_keys_that_are_joined_what_one_of_them_dropped_counts_as_spent_by_both() -> None:
    old = windows("3/second")
    for n in range(3):
        old.reserve("b", n)
    for n in range(KEPT + 10):
        old.reserve("a", HOUR + n * SECOND)
    old.join("a", "b")
    new = windows(f"{KEPT + 1}/day")
    new.restore(old.state())
    for book in (new, old):
        assert len(book.state().times["b"]) == KEPT
    standing = new.standing("b", DAY)
    assert (standing.possible, standing.next_us) == (False, HOUR + 9 * SECOND + DAY)


def test_keys_that_are_joined_are_bounded_and_keep_the_latest() -> None:
    book = windows("2/hour")
    for n in range(KEPT):
        book.reserve("a", 2 * n)
        book.reserve("b", 2 * n + 1)
    book.join("a", "b")
    state = book.state()
    assert (state.times, state.dropped_us) == ({"b": list(range(KEPT, 2 * KEPT))}, {"b": KEPT - 1})


def test_keys_that_are_joined_have_the_tighter_limits_of_both() -> None:
    book = windows("6/hour")
    book.tighten("a", 3)
    book.tighten("b", 2)
    book.join("a", "b")
    assert (book.standing("b", 0).allowed, book.standing("a", 0).allowed) == (2, 6)
    book.join("b", "c")
    assert book.standing("c", 0).allowed == 2


def test_a_tightened_limit_is_divided_never_widened_and_never_below_one() -> None:
    book = windows("6/hour and 1/second")
    book.tighten("loop", 2)
    book.tighten("loop", 1)
    for n in range(3):
        book.reserve("loop", n * SECOND)
    standing = book.standing("loop", 10 * SECOND)
    assert (standing.limit, standing.spent, standing.allowed, standing.possible) == ("3/hour", 3, 3, False)
    book.loosen("loop")
    standing = book.standing("loop", 10 * SECOND)
    assert (standing.limit, standing.spent, standing.allowed, standing.possible) == ("6/hour", 3, 6, True)


@pytest.mark.parametrize(
    ("before", "spent", "after", "possible"),
    [("3/hour", 3, "5/day", True), ("3/hour", 3, "3/day", False), (f"{KEPT}/hour", KEPT, f"{KEPT + 1}/day", True)],
)
def test_an_edited_limit_counts_what_was_spent_under_the_old_one(
    before: str, spent: int, after: str, possible: bool
) -> None:
    old, new = windows(before), windows(after)
    for n in range(spent):
        old.reserve("loop", n)
    new.restore(old.state())
    standing = new.standing("loop", 2 * HOUR)
    assert (standing.spent, standing.possible) == (spent, possible)


def test_where_too_little_was_kept_for_an_edited_limit_the_missing_counts_as_spent() -> None:
    old, new = windows("3/second"), windows(f"{KEPT + 50}/day")
    for n in range(KEPT + 10):
        old.reserve("loop", n * SECOND)
    new.restore(old.state())
    standing = new.standing("loop", HOUR)
    assert (standing.possible, standing.next_us) == (False, 9 * SECOND + DAY)


def test_memory_is_bounded_and_what_still_counts_is_never_forgotten() -> None:
    book = windows("2/hour", keys_max=3)
    for key in ("a", "b", "c"):
        book.reserve(key, 0)
    standing = book.standing("d", HOUR)
    assert (standing.possible, standing.limit, standing.next_us) == (False, "tracked keys", None)
    assert book.standing("a", HOUR).possible
    book.reserve("a", HOUR)
    assert book.standing("d", KEPT_US).possible
    book.reserve("d", KEPT_US)
    assert list(book.state().times) == ["a", "d"]
    for n in range(1_000):
        book.reserve("a", 2 * HOUR + n)
    assert len(book.state().times["a"]) == KEPT


def forgotten(keys_max: int = 100) -> SlidingWindows:
    """Return windows of a day, of which that of "a" was spent at 0 and forgotten a week later."""
    book = windows("1/day", keys_max=keys_max)
    book.reserve("a", 0)
    book.reserve("b", KEPT_US)
    book.reserve("c", KEPT_US)
    assert list(book.state().times) == ["b", "c"]
    return book


def test_what_a_forgotten_key_has_spent_counts_where_a_longer_limit_is_stated() -> None:
    new = windows("1/30d")
    new.restore(forgotten().state())
    assert (new.standing("a", 8 * DAY).possible, new.standing("a", 8 * DAY).next_us) == (False, 30 * DAY)
    assert new.blocked_until("a", 8 * DAY) == 30 * DAY
    assert new.standing("d", 8 * DAY).possible
    assert new.standing("a", 30 * DAY).possible
    new.reserve("a", 30 * DAY)
    assert (new.blocked_until("a", 31 * DAY), new.state().forgotten_us) == (60 * DAY, {})


@pytest.mark.parametrize("into", ["b", "new", "gone"])
def test_what_a_forgotten_key_has_spent_counts_for_the_one_that_it_is_joined_with(into: str) -> None:
    new = windows("1/30d")
    state = forgotten().state()
    state.forgotten_us |= {"gone": -DAY}
    new.restore(state)
    new.join("a", into)
    assert new.blocked_until(into, 8 * DAY) == (37 if into == "b" else 30) * DAY
    assert new.blocked_until("a", 8 * DAY) is None


def test_a_forgotten_key_is_as_free_as_any_other_under_the_limits_that_it_was_forgotten_under() -> None:
    book = forgotten()
    assert book.standing("a", KEPT_US) == book.standing("d", KEPT_US)
    assert book.reserve("a", KEPT_US)


def test_of_as_many_keys_as_are_followed_it_is_known_that_they_were_forgotten() -> None:
    book = windows("1/day", keys_max=2)
    for number in range(20):
        book.reserve(f"k{number}", number * KEPT_US)
    assert len(book.state().forgotten_us) == 2
