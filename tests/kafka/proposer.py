"""Proposals at an even rate, as `decide` writes them, and others in transactions that are aborted."""

import threading
import time

from confluent_kafka import Producer

from schemas import kafka, wire
from schemas.connection import KafkaConnection
from schemas.events import NOVEL, Proposal
from tests.patience import PATIENCE_S

EVERY_S = 0.4
ENTITIES = 24
_ABORT_EVERY = 8


class Proposer:
    """Proposes `restart` two times of three, else `page`. Use as a context."""

    def __init__(self, connection: KafkaConnection, loop: str) -> None:
        self._loop = loop
        self._connection = connection
        self.written: set[str] = set()
        self.aborted: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"propose-{loop}", daemon=True)

    def __enter__(self) -> "Proposer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        plain = kafka.make_producer(self._connection, linger_ms=0)
        undone = kafka.make_producer(self._connection, transactional_id=f"{self._loop}/proposer")
        undone.init_transactions(PATIENCE_S)
        number = 0
        while not self._stop.wait(EVERY_S):
            number += 1
            if number % _ABORT_EVERY == 0:
                undone.begin_transaction()
                self._propose(undone, f"undone-{number}", number, self.aborted)
                undone.flush(PATIENCE_S)
                undone.abort_transaction(PATIENCE_S)
            self._propose(plain, f"p-{number}", number, self.written)
            assert plain.flush(PATIENCE_S) == 0

    def _propose(self, producer: Producer, name: str, number: int, noted: set[str]) -> None:
        now_us = time.time_ns() // 1_000
        action = "restart" if number % 3 else "page"
        proposal = Proposal(
            id=f"{self._loop}-{name}",
            time_us=now_us,
            entity=f"web-{number % ENTITIES}",
            episode="",
            pattern=NOVEL,
            action=action,
            propensity=1.0,
            probabilities={action: 1.0},
            expires_us=now_us + 20_000_000,
            model="m",
        )
        kafka.produce(producer, wire.encode(proposal, loop=self._loop), loop=self._loop)
        noted.add(proposal.id)
