"""Real processes: started again when they die, and gone when their supervisor is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from connectors.processes.supervisor import Supervisor
from tests.patience import eventually

SLEEP = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"


def sleeper(path: Path) -> list[str]:
    return [sys.executable, "-S", "-c", SLEEP, str(path)]


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_killed_process_is_started_again_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    with Supervisor({"worker": sleeper(path)}, logs=tmp_path) as supervisor:
        eventually(lambda: len(pids(path)) == 1)
        os.kill(pids(path)[0], signal.SIGKILL)
        eventually(lambda: len(pids(path)) == 2)
        assert supervisor.restarts == 1
    assert not any(is_running(pid) for pid in pids(path))


def test_a_process_that_has_finished_or_needs_a_person_is_left_alone(tmp_path: Path) -> None:
    commands = {
        name: [sys.executable, "-S", "-c", f"raise SystemExit({code})"]
        for name, code in (("done", 0), ("wrong", 2), ("refused", 4))
    }
    told: list[str] = []
    with Supervisor(commands, logs=tmp_path, told=told.append) as supervisor:
        eventually(lambda: supervisor.given_up() == {"refused": 4, "wrong": 2})
        eventually(lambda: len(told) == 3)
        time.sleep(0.5)
        assert supervisor.restarts == 0
    assert sorted(told) == [
        "done ended (done)",
        "refused ended (it needs a person, see its log)",
        "wrong ended (its settings are wrong, see its log)",
    ]


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    program = (
        "import sys, time; from pathlib import Path; from connectors.processes.supervisor import Supervisor\n"
        f"Supervisor({{'worker': {sleeper(path)!r}}}, logs=Path({str(tmp_path)!r})).start(); time.sleep(600)"
    )
    root = Path(__file__).parents[2]
    supervisor = subprocess.Popen([sys.executable, "-c", program], cwd=root)
    eventually(lambda: len(pids(path)) == 1)
    supervisor.kill()
    supervisor.wait()
    eventually(lambda: not is_running(pids(path)[0]))
