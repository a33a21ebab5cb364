"""Maintenance windows: times of the week, in a time zone, in which people work and the loop keeps its hands off."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SPELLING = '"Sat 22:00 - Sun 06:00 Europe/Berlin", "Mon-Fri 09:00 - 17:00 UTC" or "daily 02:00 - 03:30 UTC"'
_DAY = "|".join(DAYS)
_WINDOW = re.compile(
    rf"(?P<first>daily|{_DAY})(?:-(?P<last>{_DAY}))? (?P<start>\d\d:\d\d) - (?:(?P<until>{_DAY}) )?(?P<end>\d\d:\d\d) "
    r"(?P<zone>[A-Za-z0-9_+/-]{1,64})"
)
_WEEK = 7
_AHEAD_DAYS = 8
"""So far ahead boundaries are worked out at a time: every window begins once a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window of the week. `length_days`: how many days after the one it starts on it ends."""

    text: str
    days: frozenset[int]
    start: time
    end: time
    length_days: int
    zone: ZoneInfo

    def around(self, day: date) -> tuple[int, int] | None:
        """Return start and end, in us since the epoch, of the window that starts on this day (of its time zone). Where
        the clock shows one of them twice, or never, it holds from the earlier start and until the later end.
        """
        if day.weekday() not in self.days:
            return None
        start = datetime.combine(day, self.start, self.zone)
        end = datetime.combine(day + timedelta(days=self.length_days), self.end, self.zone)
        return min(_readings(start)), max(_readings(end))


def parse_window(text: str) -> Window:
    """Read one window; raises `ValueError` that says what was expected and what came."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'expected a maintenance window such as {SPELLING}, got "{text}"')
    if match["first"] == "daily" and (match["last"] or match["until"]):
        raise ValueError(f'expected no days beside "daily", got "{text}"')
    try:
        start, end = time.fromisoformat(match["start"]), time.fromisoformat(match["end"])
    except ValueError as error:
        raise ValueError(f'expected times of day, got "{text}": {error}') from error
    zone = read_zone(match["zone"])
    days = _days(match["first"], match["last"])
    if match["until"] is None:
        length_days = int(end <= start)
    elif len(days) > 1:
        raise ValueError(f'expected one day to start on where one to end on is named, got "{text}"')
    else:
        length_days = (DAYS.index(match["until"]) - min(days)) % _WEEK or _WEEK * (end <= start)
    return Window(text=text, days=days, start=start, end=end, length_days=length_days, zone=zone)


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone as the package tzdata has it, never as the machine has: a replay elsewhere finds the same.

    Raises `ValueError` for a name that is not in its list, such as `localtime`.
    """
    data = files("tzdata")
    if name not in data.joinpath("zones").read_text("utf-8").split():
        raise ValueError(f'expected a time zone such as "Europe/Berlin" or "UTC", got "{name}"')
    with data.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


class Maintenance:
    """Whether a time lies in any of some windows. What was found holds from one boundary (or midnight) to the next."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._windows = [parse_window(text) for text in texts]
        self._found: tuple[int, str] | None = None
        self._from_us = self._until_us = 0

    def until(self, now_us: int) -> tuple[int, str] | None:
        """Return when the windows that hold this time are over, and the text of the last, or None in none of them."""
        if self._windows and not self._from_us <= now_us < self._until_us:
            self._look_around(now_us)
        return self._found

    def _look_around(self, now_us: int) -> None:
        today = datetime.fromtimestamp(now_us / 1e6, UTC).date()
        days = [today + timedelta(days=number) for number in range(-_AHEAD_DAYS, _AHEAD_DAYS + 1)]
        spans = sorted(
            (*span, window.text) for window in self._windows for day in days if (span := window.around(day)) is not None
        )
        midnight = datetime.combine(today, time(), UTC)
        self._found, self._from_us, self._until_us = None, _us(midnight), _us(midnight + timedelta(days=1))
        for start, end, text in _joined(spans):
            if start <= now_us < end:
                self._found = end, text
            for boundary in (start, end):
                if boundary <= now_us:
                    self._from_us = max(self._from_us, boundary)
                else:
                    self._until_us = min(self._until_us, boundary)


def _joined(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return sorted spans with those that touch made one, by the text of the one that ends last."""
    joined: list[tuple[int, int, str]] = []
    for start, end, text in spans:
        if joined and start <= joined[-1][1]:
            first, latest, known = joined[-1]
            joined[-1] = (first, end, text) if end > latest else (first, latest, known)
        else:
            joined.append((start, end, text))
    return joined


def _days(first: str, last: str | None) -> frozenset[int]:
    if first == "daily":
        return frozenset(range(_WEEK))
    start = DAYS.index(first)
    number = (DAYS.index(last) - start) % _WEEK + 1 if last else 1
    return frozenset((start + day) % _WEEK for day in range(number))


def _readings(moment: datetime) -> tuple[int, int]:
    """Return a local time as by the clock before and after a change of it nearby: both are the same but at that."""
    return _us(moment.replace(fold=0)), _us(moment.replace(fold=1))


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
