"""Durations as people write them (`250ms`, `1.5s`, `2m`, `1h`, `1d`), as integer microseconds."""

import re
from fractions import Fraction

UNIT_US: dict[str, Fraction] = {
    "ns": Fraction(1, 1000),
    "us": Fraction(1),
    "ms": Fraction(1_000),
    "s": Fraction(1_000_000),
    "m": Fraction(60_000_000),
    "h": Fraction(3_600_000_000),
    "d": Fraction(86_400_000_000),
}
LONGEST_US = 10 * 366 * 86_400_000_000
"""Ten years: longer than any setting means, short enough that sums of times stay far inside 64 bits."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str) -> int:
    """Return the duration in us; raises `ValueError` when it is no duration or no whole number of microseconds."""
    match = _DURATION.fullmatch(text)
    if match is None or len(text) > 32:
        raise ValueError(f'expected a duration such as "1s", "250ms" or "1h", got "{text}"')
    exact = Fraction(match[1]) * UNIT_US[match[2]]
    if exact.denominator != 1:
        raise ValueError(f'expected a whole number of microseconds, got "{text}"')
    if exact > LONGEST_US:
        raise ValueError(f'expected at most ten years, got "{text}"')
    return int(exact)


def format_duration(duration_us: int) -> str:
    """Return the shortest spelling with a whole number, in the largest unit that fits: `90s`, `1h`, `0s`."""
    if duration_us == 0:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        whole, rest = divmod(duration_us, int(UNIT_US[unit]))
        if rest == 0:
            return f"{whole}{unit}"
    return f"{duration_us}us"
