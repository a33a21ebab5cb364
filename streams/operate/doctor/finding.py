"""One line of an examination."""

from typing import Literal

import msgspec

Level = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found, and what to do where that is not as it should be. It never holds a secret.

    `warn`: the loop goes on, but not for ever or not fully. `fail`: something does not work, or is not safe.
    """

    level: Level
    check: str
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(level="ok", check=check, found=found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """Return what should be looked at."""
    return Finding(level="warn", check=check, found=found, remedy=remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Return what must be mended."""
    return Finding(level="fail", check=check, found=found, remedy=remedy)
