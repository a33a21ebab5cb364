"""The executor and the lab on a real broker: a signed action comes in, its effect is real, its outcome goes out."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import NewTopic

from connectors.executors.handler import Handler, Result
from connectors.executors.kafka import KafkaHandler
from connectors.executors.lab import lab_handlers
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, run_executor
from connectors.kafka.launcher import LocalKafka
from connectors.lab.settings import LabSettings
from connectors.lab.world import control_file
from schemas import kafka, wire
from schemas.client import ActionConsumer
from schemas.connection import KafkaConnection
from schemas.events import Action, Control, Event, Outcome, Presence, Telemetry
from schemas.ids import derive
from schemas.keyfiles import create_keys, load_signer, load_trust
from schemas.raw import Message
from schemas.signing import Audience, Purpose, verify
from tests.connectors.memory import action
from tests.kafka.test_readme import blocks

ROOT = Path(__file__).parents[2]
DECLARED = """
loop.name = "{loop}"
kafka.bootstrap = "{bootstrap}"
policy.baseline = "make"
[actions.make]
executor = "command.make"
[actions.tell]
executor = "kafka.plant"
[actions.open]
[executors.command.make]
argv = ["/usr/bin/touch", "{folder}/{{entity}}"]
verify = {{ by = "command.there", within = "2s", every = "100ms" }}
[executors.command.there]
argv = ["/usr/bin/test", "-e", "{folder}/{{entity}}"]
[executors.kafka.plant]
topic = "{loop}-plant.commands"
"""


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


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[None]:
    """Run a Python program beside the loop's file, until SIGTERM at the end of the block."""
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    ) as running:
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0


def declare(loop: Loop, folder: Path) -> None:
    text = DECLARED.format(loop=loop.name, bootstrap=loop.connection.bootstrap, folder=folder / "made")
    (folder / "loop.toml").write_text(text)
    (folder / "made").mkdir()


def test_the_command_runs_what_the_file_declares_and_passes_actions_on_signed_anew(loop: Loop, tmp_path: Path) -> None:
    declare(loop, tmp_path)
    place = f"{loop.name}-plant.commands"
    admin = kafka.make_admin(loop.connection)
    admin.create_topics([NewTopic(place, 1, 1)])[place].result(10)
    with process(tmp_path, "-m", "streams.cli", "executor", "-c", "loop.toml", "--name", "declared"):
        wait_for_presence(loop)
        for name, entity in (("make", "pump-1"), ("make", "--help"), ("tell", "pump-2"), ("open", "pump-3")):
            loop.ask(name, entity)
        loop.read_until(lambda: len(loop.ends()) == 4, within_s=30)
    ends = {end.entity: (end.state, end.detail) for end in loop.ends()}
    assert ends["pump-1"][0] == "succeeded"
    assert ends["pump-1"][1].startswith("verified after ")
    assert ends["--help"][0] == "refused"
    assert ends["pump-2"] == ("succeeded", f"is at {place}/0/0")
    assert ends["pump-3"] == ("succeeded", "written")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["pump-1"]
    record = first_record(loop, place)
    headers = kafka.headers_of(record)
    passed_on = wire.decode(Action.TOPIC, record.value(), headers)
    assert isinstance(passed_on, Action)
    assert (passed_on.action, passed_on.entity) == ("tell", "pump-2")
    verify(
        Message(topic="commands", key=record.key(), value=record.value(), headers=headers),
        keyring=load_trust(loop.keys).keyring,
        purpose="outcomes",
        audience=Audience(cluster=loop.audience.cluster, loop=f"{loop.name}-plant"),
        now_us=wall_us(),
    )


def test_the_executor_of_the_readme_runs_as_written(loop: Loop, tmp_path: Path) -> None:
    declare(loop, tmp_path)
    (program,) = blocks(ROOT / "connectors" / "executors" / "README.md", "python")
    (tmp_path / "valves.py").write_text(program)
    (tmp_path / "valves").mkdir()
    (tmp_path / "valves" / "inlet").touch()
    with process(tmp_path, "valves.py", "loop.toml", "valves"):
        wait_for_presence(loop)
        loop.ask("open", "inlet")
        loop.read_until(lambda: bool(loop.ends()), within_s=30)
    assert (loop.ends()[0].state, loop.ends()[0].group) == ("succeeded", "valves")
    assert (tmp_path / "valves" / "inlet").read_text() == "open"


def test_an_executor_whose_disk_is_full_starts_nothing_more_and_after_that_nothing_twice(
    loop: Loop, tmp_path: Path
) -> None:
    declare(loop, tmp_path)
    memory, did, said = tmp_path / "var", tmp_path / "did", tmp_path / "said"
    memory.mkdir()
    text = (tmp_path / "loop.toml").read_text()
    command = f"""["/bin/sh", "-c", 'echo "$1" >> {did}', "script", "{{entity}}"]"""
    text = re.sub(r"argv = .*touch.*\n.*\n", lambda _: f"argv = {command}\n", text)
    (tmp_path / "loop.toml").write_text(text)
    executor = f"{sys.executable} -m streams.cli executor -c loop.toml --name full"
    mount = f"mount -t tmpfs -o size={{size}} none {memory}"
    small = ["unshare", "--map-root-user", "--mount", "sh", "-ec", mount.format(size="400k")]
    if subprocess.run(small, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs user namespaces: a disk of our own that may be full")
    script = f"""
        {mount.format(size="400k")}
        {executor} 2> {said} || echo "exit code $?" >> {said}
        mount -o remount,size=16m {memory}
        exec {executor}
    """
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    asked = 0
    with subprocess.Popen([*small[:-1], script], cwd=tmp_path, env=environment) as running:
        wait_for_presence(loop)
        try:
            while asked < 200 and not (said.exists() and "exit code" in said.read_text()):
                loop.ask("make", f"pump-{asked}")
                asked += 1
                time.sleep(0.05)
            loop.read_until(lambda: len(loop.ends()) >= asked, within_s=40)
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0
    assert "cannot be remembered (database or disk is full)" in said.read_text()
    assert "exit code 1" in said.read_text()
    assert 10 < asked < 200
    done = did.read_text().split()
    assert len(done) == len(set(done))  # nothing twice
    ends = {end.entity: end.state for end in loop.ends()}
    assert len(loop.ends()) == len(ends) == asked  # and each has exactly one end
    assert {entity for entity, state in ends.items() if state == "succeeded"} <= set(done)
    assert "failed" not in ends.values()


def wait_for_presence(loop: Loop) -> None:
    """Wait until the executor is there: what was issued before its memory began it must refuse."""
    first_record(loop, f"{loop.name}.{Presence.TOPIC}")


def first_record(loop: Loop, topic: str) -> Any:
    reader = kafka.make_consumer(loop.connection, group=f"{loop.name}.{topic}")
    reader.subscribe([topic])
    record, until_s = None, time.monotonic() + 30
    while record is None and time.monotonic() < until_s:
        record = reader.poll(0.5)
    reader.close()
    assert record is not None
    assert record.error() is None
    return record


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
