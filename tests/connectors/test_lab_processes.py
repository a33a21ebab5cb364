"""What the lab leaves behind, and whom it touches: nothing, and nobody."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from connectors.lab.child import Child
from connectors.lab.control import Reply, ask
from connectors.lab.faults import ACTIONS
from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld, control_file
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from connectors.lab.run import run_here
from connectors.lab.settings import LabSettings
run_here(
    LabSettings(folder=sys.argv[1], services=4, sample_us=100_000, warm_up_us=0, fault_every_us=100_000,
                most_faults_at_once=4, fault_us=600_000_000,
                kinds=("runaway_task", "hang", "memory_leak", "overload")),
    lambda samples: print(len(samples), flush=True),
    with_parent=True,
)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a lab in a process of its own, with a fault in each of its services."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert [process.stdout.readline() for _ in range(5)] == [b"4\n"] * 5
            yield process
        finally:
            process.kill()


def gone(processes: list[psutil.Process], *, within_s: float = PATIENCE_S) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not alive


def test_a_killed_world_leaves_no_process_behind(world: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(world.pid).children(recursive=True)
    assert len(children) >= 5, "expected four services and a runaway task"
    world.send_signal(signal.SIGKILL)
    assert gone(children)


def test_a_world_bound_to_its_parent_ends_with_it(tmp_path: Path) -> None:
    """The parent here is a shell that is killed, which tells the world nothing."""
    with subprocess.Popen(
        ["/bin/sh", "-c", '"$0" -c "$1" "$2"; exit', sys.executable, PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"4\n"
        children = psutil.Process(shell.pid).children(recursive=True)
        assert len(children) >= 5, "expected the world and its services"
        shell.kill()
        assert gone(children)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_world_ends_cleanly_within_three_seconds(world: subprocess.Popen[bytes], number: int) -> None:
    children = psutil.Process(world.pid).children(recursive=True)
    begun_s = time.monotonic()
    world.send_signal(number)
    assert world.wait(3) == 0
    assert gone(children, within_s=3 - (time.monotonic() - begun_s))


def test_only_the_child_class_signals_processes() -> None:
    signalling = {
        path.name
        for path in (ROOT / "connectors" / "lab").glob("*.py")
        if any(word in path.read_text() for word in ("send_signal", "os.kill", ".terminate(", "killpg", ".kill("))
    }
    assert signalling == {"child.py"}


def test_a_process_that_the_lab_did_not_start_is_left_alone(tmp_path: Path) -> None:
    """Not even one that looks like a service of the lab, in the folder of one."""
    settings = LabSettings(folder=str(tmp_path), services=1, most_faults_at_once=0, boot_us=0)
    with (tmp_path / "errors").open("wb") as errors:
        stranger = Child(
            module="connectors.lab.service", arguments=(str(tmp_path / "service-01"), "1", "0"), errors=errors
        )
        world = LabWorld(settings, lambda _: None, tmp_path / "log")

        async def act() -> None:
            running = asyncio.create_task(world.run())
            await world.wait_ready()
            for action in ACTIONS:
                await world.act(action, "service-01")
            world.stop()
            await running

        asyncio.run(act())
        assert stranger.alive()
        assert stranger.port() is not None
        stranger.stop()
        assert not stranger.alive()


def test_the_control_endpoint_acts_once_per_id_and_only_with_the_token(tmp_path: Path) -> None:
    settings = LabSettings(folder=str(tmp_path), services=1, most_faults_at_once=0, boot_us=0)
    world = LabWorld(settings, lambda _: None, tmp_path / "log")
    file = control_file(settings)

    def request(**change: str) -> Reply:
        return ask(file, **{"id": "a", "entity": "service-01", "action": "restart", **change}, timeout_s=PATIENCE_S)

    async def scenario() -> tuple[list[Reply], list[tuple[int, ...]]]:
        running = asyncio.create_task(world.run())
        await world.wait_ready()
        assert file.stat().st_mode & 0o777 == 0o600
        loop = asyncio.get_running_loop()
        replies, pids = [], [world.pids()["service-01"]]
        for change in ({}, {}, {"id": "b", "action": "reboot"}, {"id": "c", "entity": "service-99"}):
            replies.append(await loop.run_in_executor(None, partial(request, **change)))
            pids.append(world.pids()["service-01"])
        file.write_text(json.dumps({**json.loads(file.read_text()), "token": "guessed"}))
        replies.append(await loop.run_in_executor(None, partial(request, id="d")))
        pids.append(world.pids()["service-01"])
        world.stop()
        await running
        return replies, pids

    replies, pids = asyncio.run(scenario())
    assert [reply.state for reply in replies] == ["succeeded", "succeeded", "refused", "refused", "refused"]
    assert pids[0] != pids[1]
    assert len(set(pids[1:])) == 1
    assert not file.exists()


def test_the_services_are_processes_of_their_own_and_answer_on_loopback_only(tmp_path: Path) -> None:
    settings = LabSettings(folder=str(tmp_path), services=2, most_faults_at_once=0)
    world = LabWorld(settings, lambda _: None, tmp_path / "log")

    async def look() -> set[tuple[int, str]]:
        running = asyncio.create_task(world.run())
        await world.wait_ready()
        pids = [pid for pids in world.pids().values() for pid in pids]
        listening = {
            (pid, connection.laddr.ip)
            for pid in pids
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        world.stop()
        await running
        return listening

    listening = asyncio.run(look())
    assert len({pid for pid, _ in listening} - {os.getpid()}) == 2
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_the_program_says_what_is_wrong_with_its_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lab.toml"
        file.write_text('loop = "lab"\n[lab]\nservices = 0\n')
        ran = subprocess.run(
            [sys.executable, "-m", "connectors.lab", "--config", str(file)], cwd=ROOT, capture_output=True, check=False
        )
    assert ran.returncode == 2
    assert b"`int` >= 1 - at `$.lab.services`" in ran.stderr
