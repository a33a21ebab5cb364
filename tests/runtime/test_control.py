"""The thread that hears orders: it may not end unseen."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from schemas.clock import LoopClock
from schemas.stop_file import StopFile
from streams.loop.processor import STOPPED_HERE_US
from streams.runtime.control import TOPIC, ControlFeed
from streams.runtime.inbox import Inbox


def test_the_end_of_the_thread_is_told_to_the_worker() -> None:
    failures: list[BaseException] = []
    told = threading.Event()

    def failed(error: BaseException) -> None:
        failures.append(error)
        told.set()

    without_connection: Any = SimpleNamespace()
    feed = ControlFeed(without_connection, clock=LoopClock(), heard=lambda _: None, failed=failed)
    assert feed.lives()
    feed.start()
    feed.subscribe(0, Inbox(positions={TOPIC: 0}))
    assert told.wait(5)
    feed.stop()
    assert not feed.lives()
    assert isinstance(failures[0], AttributeError)


def test_a_step_is_told_of_the_stop_file_of_its_machine_at_once(tmp_path: Path) -> None:
    without_connection: Any = SimpleNamespace()
    stop_file = StopFile(tmp_path / "STOP")
    feed = ControlFeed(
        without_connection,
        clock=LoopClock(),
        heard=lambda _: None,
        failed=lambda _: None,
        stop_file=stop_file,
    )
    assert feed.told_us() == feed.heard_us() == 0
    stop_file.path.touch()
    assert (feed.told_us(), feed.heard_us()) == (STOPPED_HERE_US, 0)
    assert feed.why_stopped() == f"stop file {stop_file.path}"
    stop_file.remove()
    assert feed.told_us() == 0
