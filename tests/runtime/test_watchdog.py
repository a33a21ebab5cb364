"""Work that waits while nothing moves."""

import time
from types import SimpleNamespace
from typing import Any

from streams.runtime.watchdog import Watchdog


class Hand:
    """The time, moved by the test."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def __call__(self) -> float:
        return self.at


def owner(now: Hand, *, step: int = 3, waiting: int = 5, paused: str | None = None) -> Any:
    inbox = SimpleNamespace(records=lambda: waiting)
    return SimpleNamespace(partition=1, step=step, inbox=inbox, moved_at=now.at, paused=paused)


def watchdog(now: Hand, behind: int = 0) -> Watchdog:
    return Watchdog(limit_s=30, behind=lambda _: behind, now_s=now)


def told(*, seconds: float, after: dict[str, Any] | None = None, behind: int = 0, waiting: int = 5) -> str | None:
    now = Hand()
    dog = watchdog(now, behind)
    assert dog.stuck([owner(now, waiting=waiting)]) is None
    now.at += seconds
    return dog.stuck([owner(now, **{"waiting": waiting, **(after or {})})])


def test_records_that_wait_too_long_are_told() -> None:
    assert told(seconds=31) == "partition 1: 5 records wait and the journal stands at step 3"


def test_records_that_were_never_fetched_count() -> None:
    assert "7 records wait" in (told(seconds=31, waiting=0, behind=7) or "")


def test_a_short_wait_is_nothing() -> None:
    assert told(seconds=29) is None


def test_a_journal_that_moves_is_well() -> None:
    assert told(seconds=31, after={"step": 4}) is None


def test_nothing_to_do_is_well() -> None:
    assert told(seconds=31, waiting=0) is None


def test_a_paused_partition_is_not_hung() -> None:
    assert told(seconds=31, after={"paused": "clocks"}) is None


def test_a_step_that_does_not_end_is_told() -> None:
    now = Hand()
    held = owner(now, waiting=0)
    now.at += 31
    assert "a step has taken more than 30 s" in (watchdog(now).stuck([held]) or "")


def test_a_step_that_takes_long_is_told_by_the_probe_before_the_process_is_ended() -> None:
    now = Hand()
    held = owner(now, waiting=0)
    now.at += 14
    assert watchdog(now).slow([held]) is None
    now.at += 2
    assert watchdog(now).slow([held]) == "partition 1: a step has taken more than 15 s"
    assert watchdog(now).stuck([held]) is None
