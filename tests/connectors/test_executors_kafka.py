"""The executor and the lab on a real broker: a signed action comes in, its effect is real, its outcome goes out."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.executors.handler import Handler, Result
from connectors.executors.lab import lab_handlers
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, run_executor
from connectors.kafka.launcher import LocalKafka
from connectors.lab.settings import LabSettings
from connectors.lab.world import control_file
from schemas import kafka, wire
from schemas.client import ActionConsumer
from schemas.events import Action, Control, Event, Outcome, Telemetry
from schemas.ids import derive
from schemas.keyfiles import create_keys, load_signer, load_trust
from schemas.signing import Audience, Purpose

ROOT = Path(__file__).parents[2]


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
                expires_us=now_us + 20_000_000,
                settings_hash="",
            ),
            "actions",
        )

    def read_until(self, done: Callable[[], bool], *, within_s: float) -> None:
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
        assert self._producer.flush(10) == 0


class Executor:
    """An executor in a thread."""

    def __init__(self, loop: Loop, handlers: dict[str, Handler], folder: Path, settings: ExecutorSettings) -> None:
        self._stop = threading.Event()
        self._consumer = ActionConsumer(
            loop.connection,
            audience=loop.audience,
            trust=load_trust(loop.keys),
            signer=load_signer(loop.keys, "outcomes", loop.audience),
            group="test",
            executor="executor-1",
            store=folder / "store",
        )
        self._thread = threading.Thread(
            target=run_executor, args=(self._consumer, handlers), kwargs={"stop": self._stop, "settings": settings}
        )

    def __enter__(self) -> None:
        self._consumer.start()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()


@pytest.fixture
def loop(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(broker, loop_on_kafka(), tmp_path)
    loop.order("running")
    yield loop
    loop.close()


def test_an_action_is_done_in_the_lab_and_its_outcome_is_published(loop: Loop, tmp_path: Path) -> None:
    settings = LabSettings(folder=str(tmp_path / "lab"), services=3, most_faults_at_once=0, boot_us=200_000)
    config = tmp_path / "lab.json"
    config.write_bytes(
        msgspec.json.encode({"loop": loop.name, "kafka": loop.connection, "lab": settings, "seconds": 60})
    )
    program = [sys.executable, "-m", "connectors.lab", "--config", str(config)]
    handlers = dict(lab_handlers(control_file(settings)))
    with subprocess.Popen(program, cwd=ROOT) as world, Executor(loop, handlers, tmp_path, ExecutorSettings()):
        try:
            loop.read_until(lambda: loop.seen == set(settings.entities()), within_s=15)
            for action, entity in (("restart", "service-01"), ("reopen", "service-02"), ("juggle", "service-03")):
                loop.ask(action, entity)
            loop.read_until(lambda: len(loop.ends()) == 3, within_s=15)
        finally:
            world.terminate()
        assert world.wait(5) == 0
    assert {end.entity: end.state for end in loop.ends()} == {
        "service-01": "succeeded",
        "service-02": "succeeded",
        "service-03": "refused",
    }
    assert [outcome.state for outcome in loop.outcomes].count("claimed") == 3


def test_a_pause_ends_the_retries_of_an_action_that_runs(loop: Loop, tmp_path: Path) -> None:
    class Stubborn:
        idempotent = True
        attempts = 0

        def run(self, action: Action, *, timeout_s: float) -> Result:
            self.attempts += 1
            return Result(state="failed", detail=f"{action.entity} is stuck for more than {timeout_s:g} s")

    stubborn = Stubborn()
    settings = ExecutorSettings(retries=Retries(attempts=1000, pause_s=0.1))
    with Executor(loop, {"pull": stubborn}, tmp_path, settings):
        loop.ask("pull", "valve")
        loop.read_until(lambda: stubborn.attempts >= 3, within_s=15)
        loop.order("paused")
        loop.read_until(lambda: bool(loop.ends()), within_s=10)
        attempts = stubborn.attempts
        time.sleep(0.3)
        assert stubborn.attempts == attempts
    assert loop.ends()[0].state == "failed"
    assert "paused by a test" in loop.ends()[0].detail
