"""`flyball executor` and programs like it, as processes beside a real broker."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import NewTopic

from connectors.kafka.launcher import LocalKafka
from schemas import kafka, wire
from schemas.events import Action, DeadLetter, Presence
from schemas.keyfiles import load_trust
from schemas.raw import Message
from schemas.signing import Audience, verify
from schemas.stop_file import StopNote
from streams.operate.loop_place import LoopPlace
from tests.connectors.kafka_loop import Loop, first_record, wall_us
from tests.kafka.test_readme import blocks
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
AT_ONCE = 20
"""So many actions at most wait for an end while the disk fills: an executor that stands still is not flooded."""
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
verify = {{ by = "command.there", within = "20s", every = "100ms" }}
[executors.command.there]
argv = ["/usr/bin/test", "-e", "{folder}/{{entity}}"]
[executors.kafka.plant]
topic = "{loop}-plant.commands"
"""


@pytest.fixture
def loop(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(broker, loop_on_kafka(), tmp_path)
    loop.order("running")
    yield loop
    loop.close()


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
        assert running.wait(PATIENCE_S) == 0


def declare(loop: Loop, folder: Path) -> None:
    text = DECLARED.format(loop=loop.name, bootstrap=loop.connection.bootstrap, folder=folder / "made")
    (folder / "loop.toml").write_text(text)
    (folder / "made").mkdir()


def test_the_command_runs_what_the_file_declares_and_passes_actions_on_signed_anew(loop: Loop, tmp_path: Path) -> None:
    declare(loop, tmp_path)
    place = f"{loop.name}-plant.commands"
    admin = kafka.make_admin(loop.connection)
    admin.create_topics([NewTopic(place, 1, 1)])[place].result(PATIENCE_S)
    with process(tmp_path, "-m", "streams.cli", "executor", "-c", "loop.toml", "--name", "declared"):
        wait_for_presence(loop)
        for name, entity in (("make", "pump-1"), ("make", "--help"), ("tell", "pump-2"), ("open", "pump-3")):
            loop.ask(name, entity)
        loop.read_until(lambda: len(loop.ends()) == 4)
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


VALVES = """
loop.name = "{loop}"
kafka.bootstrap = "{bootstrap}"
policy.baseline = "mend"
actions.mend.cost = 0.1
actions.open.cost = 0.1
actions.close.approvals = 2
executors.limit = "2/hour"
"""


def test_the_executor_of_the_readme_runs_as_written_and_within_the_file(loop: Loop, tmp_path: Path) -> None:
    """The stop file, approvals and limit of the file hold, and what it has no handler for is left to others."""
    (tmp_path / "loop.toml").write_text(VALVES.format(loop=loop.name, bootstrap=loop.connection.bootstrap))
    (program,) = blocks(ROOT / "connectors" / "executors" / "README.md", "python")
    (tmp_path / "valves.py").write_text(program)
    (tmp_path / "valves").mkdir()
    (tmp_path / "valves" / "inlet").touch()
    stop_file = LoopPlace.open(tmp_path / "loop.toml").stop_file

    def end(action: str, entity: str = "inlet") -> tuple[str, str]:
        ends = len(loop.ends())
        loop.ask(action, entity)
        loop.read_until(lambda: len(loop.ends()) > ends)
        assert loop.ends()[-1].group == "valves"
        return loop.ends()[-1].state, loop.ends()[-1].detail

    with process(tmp_path, "valves.py", "loop.toml", "valves"):
        wait_for_presence(loop)
        loop.ask("mend", "inlet")
        loop.ask("close", "inlet")
        assert end("open") == ("succeeded", "")
        assert (tmp_path / "valves" / "inlet").read_text() == "open"
        stop_file.write(StopNote(by="ada", time_us=wall_us(), reason="smoke"))
        stopped = end("open")
        stop_file.remove()
        assert end("open", "outlet") == ("refused", "no valve outlet")
        limited = end("open")
    assert stopped == ("refused", f"stop file {stop_file.path.relative_to(tmp_path)}")
    assert limited == ("refused", "this executor starts at most 2 actions per 3600 s")
    letter = first_record(loop, f"{loop.name}.{DeadLetter.TOPIC}")
    assert msgspec.json.decode(letter.value(), type=DeadLetter).reason == "too-few-approvals"
    assert len({outcome.action for outcome in loop.outcomes}) == 4  # neither `mend` nor `close` was touched


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

    def is_full() -> bool:
        return said.exists() and "exit code" in said.read_text()

    def wait_for_room(asked: int) -> None:
        loop.read_until(lambda: is_full() or asked - len(loop.ends()) < AT_ONCE)

    with subprocess.Popen([*small[:-1], script], cwd=tmp_path, env=environment) as running:
        wait_for_presence(loop)
        try:
            while asked < 200 and not is_full():
                loop.ask("make", f"pump-{asked}")
                asked += 1
                wait_for_room(asked)
                time.sleep(0.05)
            loop.read_until(lambda: len(loop.ends()) >= asked)
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0
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
