"""The thread that hears orders: it may not end unseen."""

import threading
from types import SimpleNamespace
from typing import Any

from streams.runtime.clock import LoopClock
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
