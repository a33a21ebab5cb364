"""A loop on a real broker whose gate and operator are played by hand, for executors to obey."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from connectors.kafka.launcher import LocalKafka
from schemas import kafka, wire
from schemas.events import Action, Control, Event, Outcome, Telemetry
from schemas.ids import derive
from schemas.keyfiles import create_keys, load_signer
from schemas.signing import Audience, Purpose
from tests.patience import PATIENCE_S
from tests.schemas.executors import VALID_US


def wall_us() -> int:
    return time.time_ns() // 1000


class Loop:
    """The gate's and the operator's side of a loop, by hand."""

    def __init__(self, broker: LocalKafka, name: str, folder: Path) -> None:
        self.name = name
        self.connection = broker.connection
        self.audience = Audience(cluster=broker.cluster_id, loop=name)
        self.keys = folder / "keys"
        create_keys(self.keys)
        self._producer = kafka.make_producer(self.connection)
        self._reader = kafka.make_consumer(self.connection, group=f"{name}.test")
        self._reader.subscribe([f"{name}.{Outcome.TOPIC}", f"{name}.{Telemetry.TOPIC}"])
        self.outcomes: list[Outcome] = []
        self.seen: set[str] = set()

    def order(self, value: str) -> None:
        order = Control(
            id=derive(value, wall_us()), time_us=wall_us(), kind="pause", target="loop", value=value, by="a test"
        )
        self._write(order, "control")

    def ask(self, action: str, entity: str) -> None:
        now_us = wall_us()
        self._write(
            Action(
                id=derive(action, entity, now_us),
                time_us=now_us,
                entity=entity,
                action=action,
                proposal="proposal",
                episode="episode",
                pattern="pattern",
                issued_us=now_us,
                expires_us=now_us + VALID_US,
                settings_hash="",
            ),
            "actions",
        )

    def read_until(self, done: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
        """Read outcomes and telemetry until done."""
        until_s = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < until_s, f"not within {within_s} s; outcomes: {self.outcomes}"
            for record in self._reader.consume(100, 0.2):
                assert record.error() is None, record.error()
                if record.topic().endswith(Outcome.TOPIC):
                    self._take(wire.decode(Outcome.TOPIC, record.value(), kafka.headers_of(record)))
                else:
                    self.seen.add(msgspec.json.decode(record.value(), type=Telemetry).entity)

    def ends(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state != "claimed"]

    def close(self) -> None:
        self._reader.close()

    def _take(self, event: Event) -> None:
        assert isinstance(event, Outcome)
        self.outcomes.append(event)

    def _write(self, event: Event, purpose: Purpose) -> None:
        signer = load_signer(self.keys, purpose, self.audience)
        kafka.produce(self._producer, signer.sign(wire.encode(event, loop=self.name)), loop=self.name)
        assert self._producer.flush(PATIENCE_S) == 0


def first_record(loop: Loop, topic: str) -> Any:
    reader = kafka.make_consumer(loop.connection, group=f"{loop.name}.{topic}")
    reader.subscribe([topic])
    record, until_s = None, time.monotonic() + PATIENCE_S
    while record is None and time.monotonic() < until_s:
        record = reader.poll(0.5)
    reader.close()
    assert record is not None
    assert record.error() is None
    return record
