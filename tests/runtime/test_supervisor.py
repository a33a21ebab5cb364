"""Real processes: restarted when they die, stopped when told, gone when their supervisor is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from streams.runtime.supervisor import Child, Supervisor

SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
STUBBORN = [sys.executable, "-S", "-c", "import signal,time; signal.signal(15, lambda *_: None); time.sleep(600)"]


def until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_child_is_started_again_and_told_of() -> None:
    lines: list[str] = []
    supervisor = Supervisor([Child(name="one", command=SLEEPER)], lines.append)
    supervisor.start()
    until(supervisor.pids)
    first = supervisor.pids()["one"]
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.pids().get("one", first) != first)
    assert supervisor.restarts() == {"one": 1}
    assert lines == ["one ended (killed by SIGKILL); starting it again in 0.1 s"]
    assert supervisor.stop()


def test_a_child_that_keeps_dying_is_started_less_and_less_often() -> None:
    lines: list[str] = []
    supervisor = Supervisor(
        [Child(name="one", command=[sys.executable, "-S", "-c", "raise SystemExit(3)"])], lines.append
    )
    supervisor.start()
    until(lambda: len(lines) >= 3)
    supervisor.stop()
    assert [line.split()[-2] for line in lines[:3]] == ["0.1", "0.2", "0.4"]
    assert "another instance owns its work" in lines[0]


def test_a_child_that_is_done_is_not_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([Child(name="one", command=[sys.executable, "-S", "-c", "print(1)"], log=log)], print)
    supervisor.start()
    until(lambda: log.exists() and log.read_text() == "1\n")
    until(lambda: not supervisor.pids())
    time.sleep(0.3)
    assert supervisor.restarts() == {"one": 0}
    assert supervisor.stop()


def test_even_a_frozen_child_stops_and_a_stubborn_one_is_killed() -> None:
    children = [Child(name="frozen", command=SLEEPER), Child(name="stubborn", command=STUBBORN)]
    lines: list[str] = []
    supervisor = Supervisor(children, lines.append)
    supervisor.start()
    until(lambda: len(supervisor.pids()) == 2)
    time.sleep(0.3)
    pids = supervisor.pids()
    os.kill(pids["frozen"], signal.SIGSTOP)
    began = time.monotonic()
    assert not supervisor.stop()
    assert time.monotonic() - began < 10
    assert lines == ["stubborn did not stop within 8 s and was killed"]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_children_die_with_a_supervisor_that_was_killed() -> None:
    program = (
        "from streams.runtime.supervisor import *; import time;"
        f"s = Supervisor([Child(name='one', command={SLEEPER!r})], print); s.start();"
        "time.sleep(0.5); print(s.pids()['one'], flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    until(lambda: not psutil.pid_exists(child))
