"""Records that came before what caused them: they wait until their causes have been folded."""

from collections.abc import Mapping
from heapq import heappop, heappush

from schemas.events import Event
from schemas.ids import split_cause
from streams.loop.processor import Record

Source = tuple[str, int]
"""Topic and partition."""
Place = tuple[Source, int]
"""A source and an offset in it."""


def awaited(event: Event, folded: Mapping[Source, int]) -> Place | None:
    """Return the first cause that is yet to come from a source that is read; `folded` holds their next offsets."""
    for text in event.causes:
        topic, partition, offset = split_cause(text)
        source = (topic, partition)
        known = folded.get(source)
        if known is not None and offset >= known:
            return source, offset
    return None


class Parking:
    """Waiting records by the cause that each waits for: what is not due costs nothing, however much waits."""

    def __init__(self) -> None:
        self.count = 0
        """How many records wait."""
        self._arrivals = 0
        self._heaps: dict[Source, list[tuple[int, int, Record]]] = {}
        """By source: the offset waited for, the number of the arrival, and the record."""

    def park(self, record: Record, place: Place) -> None:
        """Let a record wait for a place."""
        self._arrivals += 1
        self._put(place, self._arrivals, record)

    def ready(self, folded: Mapping[Source, int]) -> list[Record]:
        """Take out the records of which no cause is yet to come, in the order in which they came."""
        due: list[tuple[int, int, Record]] = []
        for source, heap in self._heaps.items():
            while heap and heap[0][0] < folded[source]:
                due.append(heappop(heap))
        self.count -= len(due)
        ready: list[tuple[int, Record]] = []
        for _, arrival, record in due:
            place = awaited(record.event, folded)
            if place is None:
                ready.append((arrival, record))
            else:
                self._put(place, arrival, record)
        return [record for _, record in sorted(ready)]

    def records(self) -> list[Record]:
        """Return the waiting records in the order in which they came."""
        waiting = [(arrival, record) for heap in self._heaps.values() for _, arrival, record in heap]
        return [record for _, record in sorted(waiting)]

    def _put(self, place: Place, arrival: int, record: Record) -> None:
        source, offset = place
        heappush(self._heaps.setdefault(source, []), (offset, arrival, record))
        self.count += 1
