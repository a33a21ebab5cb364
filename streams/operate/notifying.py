"""Following `verdicts` and telling people what they are asked, over restarts: what was told is not told again, and what
did not arrive is.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from connectors.notify.notices import Notice, Notices, Told
from schemas.events import Blocked, Event, Verdict
from schemas.signing import Audience
from streams.operate.topic_reader import TopicReader

SKEW_US = 60_000_000
"""How much older than its escalations the topic is read from, the first time."""
PLACE_FILE = "notify/place.json"
"""In the loop's folder of data."""
AGAIN_US = 30_000_000
"""After a message did not arrive, none is sent for so long: where one does not, others seldom do."""
WAITING_MAX = 1_000
"""Messages that did not arrive and are sent again; of more the oldest is given up."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far `verdicts` was told, on which cluster, what was told of late, and what did not arrive; kept in a file."""

    cluster: str
    loop: str
    next_offset: int
    told: Told = msgspec.field(default_factory=Told)
    waiting: list[Notice] = []

    @classmethod
    def read(cls, path: Path) -> "Place | None":
        """Return what the file says, or None where it says nothing."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    @classmethod
    def load(cls, path: Path, audience: Audience) -> "Place | None":
        """Return what the file says, or None where it says nothing about this loop."""
        place = cls.read(path)
        here = place is not None and (place.cluster, place.loop) == (audience.cluster, audience.loop)
        return place if here else None

    def save(self, path: Path) -> None:
        """Write a whole file or nothing."""
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(msgspec.json.encode(self))
        fresh.replace(path)


class Waiting:
    """Messages on their way, the next one first. One that does not arrive is sent again, after all others, until it is
    over.
    """

    def __init__(
        self,
        send: Callable[[Notice], bool],
        *,
        lose: Callable[[], None],
        stop: threading.Event,
        kept: Iterable[Notice] = (),
    ) -> None:
        """`send` returns whether it arrived; `lose` hears of each that never did. None is begun after `stop`."""
        self._send = send
        self._lose = lose
        self._stop = stop
        self._failed_us: int | None = None
        self.notices = deque(kept)

    def add(self, notices: Iterable[Notice]) -> None:
        """Take messages, at most `WAITING_MAX`."""
        self.notices.extend(notices)
        while len(self.notices) > WAITING_MAX:
            self.notices.popleft()
            self._lose()

    def close(self, question: str) -> None:
        """Drop what asks about a proposal that was answered, or is over."""
        self.notices = deque(one for one in self.notices if one.question != question)

    def send(self, now_us: int) -> bool:
        """Send them, until one does not arrive; return whether any was sent, or given up."""
        if not self.notices or (self._failed_us is not None and 0 <= now_us - self._failed_us < AGAIN_US):
            return False
        self._failed_us = None
        while self.notices and self._failed_us is None and not self._stop.is_set():
            notice = self.notices.popleft()
            if now_us >= notice.until_us:
                self._lose()
            elif not self._send(notice):
                self._failed_us = now_us
                self.notices.append(notice)
        return True


def tell_people(
    reader: TopicReader,
    notices: Notices,
    send: Callable[[Notice], bool],
    *,
    audience: Audience,
    place_file: Path,
    window_us: int,
    clock_us: Callable[[], int],
    stop: threading.Event,
) -> None:
    """Follow `verdicts` until `stop`. An escalation that closed before it could be told is left out.

    `send` returns whether a message arrived; one that did not is sent again, under the same id, until what it says is
    over. So is what was being sent when the process ended. The first time it reads two windows back: what is said of an
    open escalation later must find the verdict that opened it. Raises `BrokerError`.
    """
    place_file.parent.mkdir(parents=True, exist_ok=True)
    known = Place.load(place_file, audience)
    if known is None:
        start = reader.offsets_at(("verdicts",), clock_us() - 2 * window_us - SKEW_US)
    else:
        notices.told = known.told
        start = {("verdicts", 0): known.next_offset}
    waiting = Waiting(send, lose=notices.lose, stop=stop, kept=known.waiting if known else ())
    next_offset = start["verdicts", 0]
    for record in reader.records(["verdicts"], start=start, follow=True):
        if stop.is_set():
            return
        waiting.add(notices.summary(clock_us()))
        if record is not None:
            next_offset = record.offset + 1
            _take(record.event(), notices, waiting, window_us=window_us, now_us=clock_us())
        sent = waiting.send(clock_us())
        if sent or record:
            Place(
                cluster=audience.cluster,
                loop=audience.loop,
                next_offset=next_offset,
                told=notices.told,
                waiting=list(waiting.notices),
            ).save(place_file)


def _take(event: Event | None, notices: Notices, waiting: Waiting, *, window_us: int, now_us: int) -> None:
    """Note what is to be told of an event, and what need not be told any more."""
    if isinstance(event, Verdict | Blocked):
        waiting.add(notices.about(event, window_us=window_us, now_us=now_us))
    if isinstance(event, Verdict) and event.verdict != "escalate":
        waiting.close(event.proposal.id)
