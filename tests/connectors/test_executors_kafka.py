"""The executor and the lab on a real broker: a signed action comes in, its effect is real, its outcome goes out."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.executors.handler import Handler, Result
from connectors.executors.kafka import KafkaHandler
from connectors.executors.lab import lab_handlers
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, run_executor
from connectors.kafka.launcher import LocalKafka
from connectors.lab.settings import LabSettings
from connectors.lab.world import control_file
from schemas.client import ActionConsumer
from schemas.connection import KafkaConnection
from schemas.events import Action
from schemas.keyfiles import create_keys, load_signer, load_trust
from schemas.signing import Audience
from tests.connectors.kafka_loop import Loop
from tests.connectors.memory import action
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


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
        self._thread.join(PATIENCE_S)
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
        msgspec.json.encode({"loop": loop.name, "kafka": loop.connection, "lab": settings, "seconds": 300})
    )
    program = [sys.executable, "-m", "connectors.lab", "--config", str(config)]
    handlers = dict(lab_handlers(control_file(settings)))
    with subprocess.Popen(program, cwd=ROOT) as world, Executor(loop, handlers, tmp_path, ExecutorSettings()):
        try:
            loop.read_until(lambda: loop.seen == set(settings.entities()))
            for action, entity in (
                ("restart", "service-01"),
                ("reopen", "service-02"),
                ("juggle", "service-03"),
                ("restart", "service-99"),
            ):
                loop.ask(action, entity)
            loop.read_until(lambda: len(loop.ends()) == 3)
        finally:
            world.terminate()
        assert world.wait(PATIENCE_S) == 0
    assert {end.entity: end.state for end in loop.ends()} == {
        "service-01": "succeeded",
        "service-02": "succeeded",
        "service-99": "refused",
    }  # what it has no handler for (`juggle`) is neither claimed nor refused: another group may do it
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
        loop.read_until(lambda: stubborn.attempts >= 3)
        loop.order("paused")
        loop.read_until(lambda: bool(loop.ends()), within_s=10)
        attempts = stubborn.attempts
        time.sleep(0.3)
        assert stubborn.attempts == attempts
    assert loop.ends()[0].state == "failed"
    assert "paused by a test" in loop.ends()[0].detail


def test_what_kafka_does_not_confirm_is_unknown(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        handler = KafkaHandler(
            KafkaConnection(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}"),
            prefix="plant",
            name="commands",
            signer=load_signer(tmp_path / "keys", "outcomes", Audience(cluster="c", loop="plant")),
            timeout_s=1.0,
        )
        begun_s = time.monotonic()
        result = handler.run(action(), timeout_s=1.5)
        handler.close()
    assert result.state == "unknown"
    assert result.detail.startswith("Kafka did not confirm")
    assert time.monotonic() - begun_s < 5
