"""Following `verdicts` and telling people what they are asked, over restarts: what was told is not told again."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from connectors.notify.notices import Notice, Notices, Told
from schemas.events import Blocked, Verdict
from schemas.signing import Audience
from streams.operate.topic_reader import TopicReader

SKEW_US = 60_000_000
"""How much older than its escalations the topic is read from, the first time."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far `verdicts` was told, on which cluster, and what was told of late; kept in a file."""

    cluster: str
    loop: str
    next_offset: int
    told: Told = msgspec.field(default_factory=Told)

    @classmethod
    def load(cls, path: Path, audience: Audience) -> "Place | None":
        """Return what the file says, or None where it says nothing about this loop."""
        try:
            place = msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return place if (place.cluster, place.loop) == (audience.cluster, audience.loop) else None

    def save(self, path: Path) -> None:
        """Write a whole file or nothing."""
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(msgspec.json.encode(self))
        fresh.replace(path)


def tell_people(
    reader: TopicReader,
    notices: Notices,
    send: Callable[[Notice], None],
    *,
    audience: Audience,
    place_file: Path,
    window_us: int,
    clock_us: Callable[[], int],
    stop: threading.Event,
) -> None:
    """Follow `verdicts` until `stop`. An escalation that closed before it could be told is left out.

    What was being sent when the process ended is sent again, under the same id. The first time it reads two windows
    back: what is said of an open escalation later must find the verdict that opened it. Raises `BrokerError`.
    """
    place_file.parent.mkdir(parents=True, exist_ok=True)
    known = Place.load(place_file, audience)
    if known is None:
        start = reader.offsets_at(("verdicts",), clock_us() - 2 * window_us - SKEW_US)
    else:
        notices.told = known.told
        start = {("verdicts", 0): known.next_offset}
    for record in reader.records(["verdicts"], start=start, follow=True):
        if stop.is_set():
            return
        if record is None:
            continue
        event = record.event()
        if isinstance(event, Verdict | Blocked):
            for notice in notices.about(event, window_us=window_us, now_us=clock_us()):
                send(notice)
        place = Place(cluster=audience.cluster, loop=audience.loop, next_offset=record.offset + 1, told=notices.told)
        if not stop.is_set():
            place.save(place_file)
