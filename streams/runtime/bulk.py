"""Records of a fetch as columns: the one place that reaches into aiokafka, so that no object is made per record.

aiokafka 0.14 (pinned) keeps what a fetch brought as `FetchResult` with the undecoded batches; its own iterator wraps
each record in a data class, which costs more than all else that a worker does. What it does about aborted transactions,
control batches and compacted offsets is done here in the same order (KIP-98; `aiokafka.consumer.fetcher`).
"""

from collections.abc import Iterable
from typing import Any

from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException

from schemas.raw import Headers, RawBatch
from streams.runtime.inbox import Fetched

_NO_HEADERS: Headers = ()


def take_fetched(fetcher: Fetcher, place: Any, topic: str) -> Fetched | None:
    """Take everything that was fetched for one partition; None when there is nothing (or it is not ours any more).

    Raises what the fetch raised.
    """
    result = fetcher._records.get(place)
    if result is None:
        return None
    if type(result) is not FetchResult:
        del fetcher._records[place]
        fetcher._notify(fetcher._wait_consume_future)
        result.check_raise()
        return None
    usable = result.check_assignment(place) and result.has_more()
    records = result._partition_records
    fetched = None
    if usable:
        start = records.next_fetch_offset
        batch = _columns(records, topic, place.partition)
        result._update_position()
        fetched = Fetched(batch=batch, start=start, stop=records.next_fetch_offset)
    result._partition_records = None
    del fetcher._records[place]
    fetcher._notify(fetcher._wait_consume_future)
    return fetched


def _columns(records: Any, topic: str, partition: int) -> RawBatch:
    offsets: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: list[Headers] = []
    while records._records.has_next():
        batch = records._records.next_batch()
        if records._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"invalid CRC in {topic}/{partition}")
        if _is_visible(records, batch):
            found = [record for record in batch if record.offset >= records.next_fetch_offset]
            offsets += [record.offset for record in found]
            keys += [record.key for record in found]
            values += [record.value for record in found]
            headers += _headers(found)
        records.next_fetch_offset = batch.next_offset
    return RawBatch(topic=topic, partition=partition, offsets=offsets, keys=keys, values=values, headers=headers)


def _headers(records: list[Any]) -> Iterable[Headers]:
    return [tuple(record.headers) if record.headers else _NO_HEADERS for record in records]


def _is_visible(records: Any, batch: Any) -> bool:
    """Return whether a batch holds records of a committed transaction, or of none."""
    if batch.producer_id is not None:
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            records._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in records._aborted_producers:
            return False
    return not batch.is_control_batch
