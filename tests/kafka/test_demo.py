"""The demonstration as a person starts it: real processes, a real Kafka, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

STARTED = "live services"
READY_S = 120.0
"""The demonstration itself gives up after 90 s, and says why."""
STOP_S = 10.0
KILLED_S = 12.0
"""After SIGKILL nobody is there to hurry the processes: their guardians give each up to 9 s."""

pytestmark = pytest.mark.usefixtures("broker")  # skips, with the reason, where no Kafka can run


@contextmanager
def demonstration(*arguments: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start it with its temporary files in a folder that the test owns: one that is killed cannot tidy up."""
    command = [sys.executable, "-m", "streams.cli", "demo", *arguments]
    env = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Return what the process says up to the line with these words."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_S
    said = ""
    for line in process.stdout:
        said += line
        if words in line or time.monotonic() > deadline:
            break
    assert words in said, said
    return said


def family(process: "subprocess.Popen[str]", *, wanted: Callable[[list[str]], bool]) -> list[psutil.Process]:
    """Return all processes under this one, as soon as they are what is wanted (judged by their command lines)."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        found = psutil.Process(process.pid).children(recursive=True)
        if wanted([" ".join(one.cmdline()) for one in found if one.is_running()]):
            return found
        time.sleep(0.2)
    raise AssertionError(f"expected other processes within {READY_S} s, got {found}")


def all_live(commands: list[str]) -> bool:
    services = sum("connectors.lab.service" in command for command in commands)
    return services >= 12 and any("kafka.Kafka" in command for command in commands)


@pytest.mark.parametrize(
    ("number", "code", "within_s"),
    [
        pytest.param(signal.SIGINT, 130, STOP_S, id="stopped with Ctrl-C"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, KILLED_S, id="killed"),
    ],
)
def test_nothing_is_left_of_a_demonstration_that_is(
    number: signal.Signals, code: int, within_s: float, tmp_path: Path
) -> None:
    with demonstration("--seconds", "100", folder=tmp_path) as process:
        read_until(process, STARTED)
        started = family(process, wanted=all_live)
        began_s = time.monotonic()
        process.send_signal(number)
        assert process.wait(within_s) == code
        _, left = psutil.wait_procs(started, timeout=within_s - (time.monotonic() - began_s))
    assert left == []


def test_ctrl_c_while_the_broker_starts_leaves_nothing(tmp_path: Path) -> None:
    with demonstration("--seconds", "100", folder=tmp_path) as process:
        read_until(process, "starting Apache Kafka")
        started = family(process, wanted=lambda commands: any("kafka" in command for command in commands))
        began_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 130
        _, left = psutil.wait_procs(started, timeout=STOP_S - (time.monotonic() - began_s))
    assert left == []
