"""An executor's ear and voice: a thread that follows `control` and tells `presence` every two seconds."""

import threading
import time
from collections.abc import Callable, Iterable

from ..connection import KafkaConnection
from ..events import Action, Control
from ..keyring import Trust
from ..order_reading import OrderReading
from ..signing import Audience
from ..stop_file import StopFile
from .control import ControlState
from .tail import LogRecord, Tail

HEARD_WITHIN_S = 10.0
"""Older than this, `control` counts as not heard, and that as a stop."""
_ASK_EVERY_S = 0.5
_BEAT_EVERY_S = 2.0


class ControlWatch:
    """Knows at any moment whether something may start, and why not.

    Orders count by the keyrings and the times of when they were written (`OrderReading`); `trust` follows the newest
    keyring, by which actions, approvals and outcomes count.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        audience: Audience,
        trust: Trust,
        clock: Callable[[], int],
        on_beat: Callable[[], None],
        stop_file: StopFile | None = None,
    ) -> None:
        self._stop_file = stop_file
        self._clock = clock
        self._on_beat = on_beat
        self._tail = Tail(connection, topic=f"{audience.loop}.{Control.TOPIC}")
        self._orders: OrderReading[LogRecord] = OrderReading(trust=trust, audience=audience)
        self._state = ControlState()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._heard = threading.Event()
        self._heard_monotonic = float("-inf")
        self.heard_us = 0
        """When the broker last confirmed that all of `control` was read (0: never)."""
        self.failure: Exception | None = None
        """What ended the watch; from then on nothing is heard."""
        self._thread = threading.Thread(target=self._run, name="flyball-control", daemon=True)

    @property
    def ignored(self) -> int:
        """Records of `control` that could not be trusted."""
        return self._orders.ignored

    @property
    def offset(self) -> int:
        """Offset behind the last record of `control` that was read."""
        return self._tail.position

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wait_heard(self, timeout_s: float) -> bool:
        """Wait until `control` was read to its end once; returns whether it was."""
        return self._heard.wait(timeout_s)

    def is_heard(self) -> bool:
        """Whether the end of `control` was confirmed within the last 10 s, by the steady and by the wall clock."""
        if time.monotonic() - self._heard_monotonic > HEARD_WITHIN_S:
            return False
        return abs(self._clock() - self.heard_us) <= HEARD_WITHIN_S * 1_000_000

    def heard_s(self) -> float:
        """Return as of when, by the steady clock, all of `control` was read (minus infinity: never)."""
        return self._heard_monotonic

    def why_paused(self, action: Action | None = None) -> str | None:
        """Return why nothing (or not this action) may start now, or None. The stop file is looked for each time."""
        stopped = None if self._stop_file is None else self._stop_file.why()
        if stopped is not None:
            return stopped
        if not self.is_heard():
            return f"control was not heard for {HEARD_WITHIN_S:.0f} s"
        with self._lock:
            return self._state.why_paused(self._clock(), action)

    def stop(self) -> None:
        """Stop following; what was heard last stays."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        """Stop following and leave the cluster."""
        self.stop()
        self._tail.close()

    def _run(self) -> None:
        next_ask = next_beat = time.monotonic()
        try:
            while not self._stop.is_set():
                record = self._tail.poll(0.1)
                if record is not None:
                    self._fold(record)
                if time.monotonic() >= next_ask:
                    self._ask()
                    next_ask = time.monotonic() + _ASK_EVERY_S
                if time.monotonic() >= next_beat:
                    self._on_beat()
                    next_beat = time.monotonic() + _BEAT_EVERY_S
        except Exception as failure:  # whoever takes actions raises it: a watch that ended in silence pauses for good
            self.failure = failure

    def _ask(self) -> None:
        """Note the time before the question: the answer is no younger than that."""
        asked_us, asked = self._clock(), time.monotonic()
        end = self._tail.end(1.0)
        if end is not None and self._tail.position >= end:
            self._obey(self._orders.at_end())
            self.heard_us, self._heard_monotonic = asked_us, asked
            self._heard.set()

    def _fold(self, record: LogRecord) -> None:
        self._obey(self._orders.read(record, written_us=record.written_us or self._clock()))

    def _obey(self, orders: Iterable[tuple[LogRecord, Control]]) -> None:
        with self._lock:
            for _, order in orders:
                self._state.fold(order)
