"""What the command line believes of what people said."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from schemas.connection import KafkaConnection
from schemas.keyfiles import load_trust, rotate_key
from streams.operate.in_force import orders_in_force
from streams.operate.topic_reader import StoredRecord, TopicReader
from tests.schemas.people import Person
from tests.schemas.test_order_reading import DAY_US, HERE, Log


class Reader(TopicReader):
    """A reader of what lies in memory."""

    def __init__(self, log: Log, *, by_broker: bool = True) -> None:
        super().__init__(
            KafkaConnection(bootstrap=""),
            HERE.loop,
            trust=load_trust(log.keys),
            audience=HERE,
            clock_us=lambda: log.us,
        )
        self._log = log
        self._by_broker = by_broker

    def records(
        self,
        topics: Sequence[str],
        *,
        start: dict[tuple[str, int], int] | None = None,
        follow: bool = False,  # noqa: ARG002  # nothing comes later
    ) -> Iterator[StoredRecord | None]:
        assert (tuple(topics), start or {}) == (("control",), {})
        for record in self._log.records:
            yield StoredRecord(
                topic="control",
                partition=0,
                offset=record.offset,
                key=record.key,
                value=record.value,
                headers=record.headers,
                timestamp_us=record.written_us,
                by_broker=self._by_broker,
            )


def test_orders_in_force_stay_so_when_their_key_is_rotated_however_often_one_looks(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.publish()
    log.order("settings")
    log.order("stop", "action:wipe")
    stolen = log.signer()
    rotate_key(log.keys, "control")
    log.publish()
    log.order("rearm", "action:wipe", by=stolen)
    reader = Reader(log)
    for _ in range(2):
        found = orders_in_force(reader.events("control"))
        assert {scope: offset for scope, (offset, _) in found.items()} == {"settings/loop": 1, "stop/action:wipe": 2}


def test_what_was_written_since_counts_by_all_that_lies_before(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.publish()
    stolen = log.signer()
    rotate_key(log.keys, "control")
    log.publish()
    since_us = log.us + 1
    log.order("stop", by=stolen)
    log.order("pause")
    assert [record.offset for record, _ in Reader(log).events("control", since_us=since_us)] == [3]


@pytest.mark.parametrize(("by_broker", "kind"), [(True, "rearm"), (False, "stop")])
def test_no_writer_says_itself_that_its_key_had_not_run_out(tmp_path: Path, by_broker: bool, kind: str) -> None:
    """Where the broker does not say when a record was written the clock of the reader counts, as for executors."""
    log = Log(tmp_path)
    ada = Person("ada").join(log.keys, "operator", not_after_us=90 * DAY_US)
    log.publish()
    log.order("stop")
    log.us = 80 * DAY_US
    log.order("rearm", by=ada.signer("control", HERE))
    log.us = 91 * DAY_US
    found = orders_in_force(Reader(log, by_broker=by_broker).events("control"))
    assert {scope: order.kind for scope, (_, order) in found.items()} == {"stop/loop": kind}
