"""Maintenance windows: spelled as people say them, exact through changes of the clock."""

from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.loop.gate.maintenance import Maintenance, parse_window

MINUTE = 60_000_000


def at(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1e6)


INSIDE: list[tuple[str, str, str, str]] = [
    # window, a local time in it, its zone, when it is over
    ("daily 02:00 - 03:30 UTC", "2026-11-26T02:00", "UTC", "2026-11-26T03:30"),
    ("daily 22:00 - 02:00 UTC", "2026-11-26T01:59", "UTC", "2026-11-26T02:00"),
    ("Sat 22:00 - Sun 06:00 Europe/Berlin", "2026-11-28T23:00", "Europe/Berlin", "2026-11-29T06:00"),
    ("Mon-Fri 09:00 - 17:00 America/New_York", "2026-11-25T09:00", "America/New_York", "2026-11-25T17:00"),
    ("Fri 18:00 - Mon 06:00 UTC", "2026-11-29T12:00", "UTC", "2026-11-30T06:00"),
    ("Fri-Mon 00:00 - 00:00 UTC", "2026-11-29T12:00", "UTC", "2026-12-01T00:00"),
    ("Sun 06:00 - Sun 05:00 UTC", "2026-11-28T12:00", "UTC", "2026-11-29T05:00"),
    # the clock goes back at 03:00 to 02:00: the night has an hour more
    ("daily 01:00 - 04:00 Europe/Berlin", "2026-10-25T03:30", "Europe/Berlin", "2026-10-25T04:00"),
]


@pytest.mark.parametrize(("text", "moment", "zone", "end"), INSIDE)
def test_inside_a_window_nothing_is_allowed_until_its_end(text: str, moment: str, zone: str, end: str) -> None:
    assert Maintenance((text,)).until(at(moment, zone)) == (at(end, zone), text)


OUTSIDE = [
    ("daily 02:00 - 03:30 UTC", "2026-11-26T01:59:59", "UTC"),
    ("daily 02:00 - 03:30 UTC", "2026-11-26T03:30", "UTC"),
    ("Mon-Fri 09:00 - 17:00 UTC", "2026-11-28T12:00", "UTC"),
    ("Sat 22:00 - Sun 06:00 Europe/Berlin", "2026-11-28T20:59", "UTC"),
]


@pytest.mark.parametrize(("text", "moment", "zone"), OUTSIDE)
def test_outside_it_everything_goes_on(text: str, moment: str, zone: str) -> None:
    assert Maintenance((text,)).until(at(moment, zone)) is None


CHANGES: list[tuple[str, str, str]] = [
    # window in Berlin, from and until when it holds in UTC. In autumn the second 02:00 to 03:00 begins at 01:00 UTC
    ("daily 01:00 - 02:30", "2026-10-24T23:00", "2026-10-25T01:30"),
    ("daily 02:30 - 02:45", "2026-10-25T00:30", "2026-10-25T01:45"),
    ("daily 02:30 - 04:00", "2026-10-25T00:30", "2026-10-25T03:00"),
    # in spring there is no 02:00 to 03:00, which would begin at 01:00 UTC: of the clock before, or of the one after
    ("daily 02:30 - 03:30", "2026-03-29T00:30", "2026-03-29T01:30"),
    ("daily 02:15 - 03:10", "2026-03-29T00:15", "2026-03-29T01:10"),
    ("daily 01:00 - 02:30", "2026-03-29T00:00", "2026-03-29T01:30"),
    ("Sat 22:00 - Sun 02:30", "2026-03-28T21:00", "2026-03-29T01:30"),
]


@pytest.mark.parametrize(("window", "start", "end"), CHANGES)
def test_when_the_clock_is_changed_a_window_holds_by_both_clocks(window: str, start: str, end: str) -> None:
    text = f"{window} Europe/Berlin"
    held = [
        us for us in range(at(start) - 30 * MINUTE, at(end) + 30 * MINUTE, MINUTE) if Maintenance((text,)).until(us)
    ]
    assert (held[0], held[-1] + MINUTE, len(held)) == (at(start), at(end), (at(end) - at(start)) // MINUTE)


def test_windows_that_touch_are_one() -> None:
    both = Maintenance(("daily 02:00 - 03:00 UTC", "daily 03:00 - 04:00 UTC"))
    assert both.until(at("2026-11-26T02:30")) == (at("2026-11-26T04:00"), "daily 03:00 - 04:00 UTC")


@given(minute=st.integers(0, 14 * 24 * 60), later=st.integers(0, 3 * 24 * 60))
def test_what_was_asked_before_changes_no_answer(minute: int, later: int) -> None:
    texts = ("Sat 22:00 - Sun 06:00 Europe/Berlin", "daily 23:30 - 00:30 Asia/Tokyo")
    asked = Maintenance(texts)
    start = at("2026-10-20T00:00")
    asked.until(start + minute * MINUTE)
    moment = start + (minute + later) * MINUTE
    assert asked.until(moment) == Maintenance(texts).until(moment)


def test_a_zone_of_the_machine_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    with files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").open("rb") as tokyo:
        (tmp_path / "Europe" / "Berlin").write_bytes(tokyo.read())
    text = "daily 02:00 - 03:30 Europe/Berlin"
    expected = parse_window(text).around(date(2026, 11, 26))
    try:
        reset_tzpath([tmp_path])
        ZoneInfo.clear_cache()
        assert ZoneInfo("Europe/Berlin").utcoffset(datetime(2026, 11, 26)) == timedelta(hours=9)  # noqa: DTZ001  # of it
        assert parse_window(text).around(date(2026, 11, 26)) == expected
    finally:
        reset_tzpath()
        ZoneInfo.clear_cache()


WRONG = [
    ("on Sundays", "expected a maintenance window such as"),
    ("daily 2:00 - 03:00 UTC", "expected a maintenance window such as"),
    ("daily 25:00 - 26:00 UTC", "expected times of day"),
    (
        "daily 02:00 - 03:00 Europe/Atlantis",
        'expected a time zone such as "Europe/Berlin" or "UTC", got "Europe/Atlantis"',
    ),
    ("daily 02:00 - 03:00 localtime", 'expected a time zone such as "Europe/Berlin" or "UTC", got "localtime"'),
    ("daily 02:00 - 03:00 posixrules", "expected a time zone such as"),
    ("daily 02:00 - 03:00 Europe", "expected a time zone such as"),
    ("daily 02:00 - 03:00 //etc/hostname", "expected a time zone such as"),
    ("daily 02:00 - Sun 03:00 UTC", 'expected no days beside "daily"'),
    ("Mon-Fri 02:00 - Sun 03:00 UTC", "expected one day to start on"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_cannot_be_read_says_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_window(text)
