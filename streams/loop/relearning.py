"""What a processor learns from again: the events of recorded batches, each once."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from schemas.errors import ContractError
from schemas.events import Event
from schemas.raw import Headers, RawBatch
from streams.loop.processor import Now
from streams.loop.remembering import remember

SEEN_LIMIT = 20_000
"""Events of which a second one is known for a duplicate: the latest."""


class Lessons:
    """Events in the order of their records, read once; `events` and `skipped` count those that were read so far: what
    no reader can use is left out, as are duplicates.
    """

    def __init__(
        self,
        batches: Iterable[RawBatch],
        *,
        decode: Callable[[str, bytes | None, bytes | None, Headers, Now], Event],
        now: Now,
    ) -> None:
        self.events = 0
        self.skipped = 0
        self._batches = batches
        self._decode = decode
        self._now = now
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __iter__(self) -> Iterator[Event]:
        for batch in self._batches:
            for key, value, headers in zip(batch.keys, batch.values, batch.headers, strict=True):
                try:
                    event = self._decode(batch.topic, key, value, headers, self._now)
                except ContractError:
                    self.skipped += 1
                    continue
                if event.id not in self._seen:
                    remember(self._seen, event.id, SEEN_LIMIT)
                    self.events += 1
                    yield event
