"""A file that stops everything on its machine: no broker, no keys, and closed where it cannot be looked for."""

import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from connectors.executors.handler import Result
from connectors.kafka.ports import free_ports
from schemas.client.watch import ControlWatch
from schemas.connection import KafkaConnection
from schemas.events import Action
from schemas.keyfiles import create_keys, load_trust
from schemas.signing import Audience
from schemas.stop_file import StopFile, StopNote
from tests.connectors.memory import QUICK, Memory, action, execute

NOTE = StopNote(by="ada", time_us=7, reason="smoke in the hall")


def test_whatever_lies_there_stops_until_it_is_removed(tmp_path: Path) -> None:
    stop_file = StopFile(tmp_path / "STOP")
    assert stop_file.why() is None
    stop_file.path.touch()  # made by hand: it says nothing, and stops
    assert stop_file.why() == f"stop file {stop_file.path}"
    assert stop_file.note() is None
    assert not stop_file.write(NOTE)
    assert stop_file.remove()
    assert stop_file.why() is None
    assert not stop_file.remove()
    stop_file.path.symlink_to(tmp_path / "nowhere")
    assert stop_file.why() == f"stop file {stop_file.path}"


def test_it_is_written_whole_with_who_when_and_why_and_all_may_read_it(tmp_path: Path) -> None:
    stop_file = StopFile(tmp_path / "var" / "STOP")
    assert stop_file.write(NOTE)
    assert stop_file.note() == NOTE
    assert stat.S_IMODE(stop_file.path.stat().st_mode) == 0o644
    assert [path.name for path in stop_file.path.parent.iterdir()] == ["STOP"]


def test_what_cannot_be_looked_for_stops(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    beneath_a_file = StopFile(tmp_path / "file" / "STOP")
    assert beneath_a_file.why() == f"stop file {beneath_a_file.path} cannot be looked for: Not a directory"
    too_long = StopFile(tmp_path / ("x" * 300))
    assert "cannot be looked for: File name too long" in str(too_long.why())
    nowhere = StopFile(tmp_path / "unmounted" / "STOP")
    assert nowhere.why() == f"stop file {nowhere.path}: its folder is not there"


@pytest.fixture
def watch(tmp_path: Path) -> ControlWatch:
    """Give the watch of an executor whose broker does not answer."""
    create_keys(tmp_path / "keys")
    (port,) = free_ports(1)
    return ControlWatch(
        KafkaConnection(bootstrap=f"127.0.0.1:{port}"),
        audience=Audience(cluster="c", loop="l"),
        trust=load_trust(tmp_path / "keys"),
        clock=lambda: 0,
        on_beat=lambda: None,
        stop_file=StopFile(tmp_path / "STOP"),
    )


def test_the_watch_of_an_executor_tells_of_it_without_kafka(tmp_path: Path, watch: ControlWatch) -> None:
    assert watch.why_paused(action()) == "control was not heard for 10 s"
    (tmp_path / "STOP").touch()
    assert watch.why_paused(action()) == watch.why_paused() == f"stop file {tmp_path / 'STOP'}"
    (tmp_path / "STOP").unlink()
    assert watch.why_paused(action()) == "control was not heard for 10 s"


class Looking(Memory):
    """Actions from a list, and a stop file beside them."""

    def __init__(self, *actions: Action, stop_file: StopFile) -> None:
        super().__init__(*actions)
        self._stop_file = stop_file

    def why_not(self, _: Action) -> str | None:
        return self._stop_file.why()


class Striking:
    """Fails, and somebody writes the stop file meanwhile."""

    idempotent = True

    def __init__(self, stop_file: StopFile) -> None:
        self._stop_file = stop_file
        self.starts = 0

    def run(self, action: Action, *, timeout_s: float) -> Result:  # noqa: ARG002  # it does not matter here
        self.starts += 1
        self._stop_file.write(NOTE)
        return Result(state="failed", detail="it did not work", retry="always")


def test_it_keeps_the_effect_and_every_retry_from_being_tried(tmp_path: Path) -> None:
    stop_file = StopFile(tmp_path / "STOP")
    actions, handler = Looking(action(1), action(2), stop_file=stop_file), Striking(stop_file)
    execute(actions, {"mend": handler}, replace(QUICK, concurrency=1))
    assert handler.starts == 1
    assert sorted(actions.ends) == [
        ("action-1", "failed", f"it did not work; not tried again: stop file {stop_file.path}"),
        ("action-2", "refused", f"stop file {stop_file.path}"),
    ]
