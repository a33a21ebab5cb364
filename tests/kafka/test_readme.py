"""Every command of README.md, as written, in its order; and the programs of schemas/README.md."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from schemas.connection import KafkaConnection
from schemas.events import Verdict
from tests.kafka.live_loop import QUICK, ROOT, LiveLoop, edit
from tests.patience import PATIENCE_S

EXCLUDED = {
    "make test": "it is what runs this test",
    "pip wheel --no-deps -w dist ./schemas": "tests/schemas/test_wheel.py installs the wheel in an empty environment",
    'pip install "$(ls dist/flyball_schemas-*.whl)[kafka]"': "the same",
}
SHORTENED = {"make demo": ["demo", "SECONDS=45"]}
LONG = (".venv/bin/flyball run", ".venv/bin/flyball executor")
"""These go on until Ctrl-C."""
SAYS = {
    "init": "loop.toml",
    "check": "valid",
    "backtest": "1 episodes",
    "publish": "published 16 rows of 1 entities",
    "status": "loop mine: running",
    "actions": "restart",
    "pause": "gate and 1 of 1 executors confirmed",
    "resume": "resumed loop: gate and 1 of 1 executors confirmed",
    "simulate": "mean reward by quarter",
}


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """Return the commands of a file's shell blocks, without their comments."""
    lines = [line for block in blocks(path, "sh") for line in block.splitlines()]
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a folder that looks like the clone that README speaks of, with a data file."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    _write_data(tmp_path / "data.csv")
    return tmp_path


@contextmanager
def started(command: str, home: Path) -> Iterator[Path]:
    """Run a command that goes on, until Ctrl-C at the end of the block."""
    log = home / f"{command.split()[1]}.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command.split(), cwd=home, stdout=out, stderr=out, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, log.read_text()


def test_every_command_of_the_readme_does_what_it_says(home: Path) -> None:
    found = [one for one in commands(ROOT / "README.md") if one not in EXCLUDED and one not in SHORTENED]
    assert {one.split()[1] for one in found if not one.startswith(LONG)} == SAYS.keys()  # a new one is run and judged
    loop = LiveLoop(home / "mine", name="mine", connection=KafkaConnection())
    with ExitStack() as running:
        for command in found:
            if command.startswith(LONG):
                log = running.enter_context(started(command, home))
                _wait_until_up(loop, command, log)
                continue
            result = subprocess.run(
                shlex.split(command), cwd=home, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
            assert result.returncode == 0, (command, result.stderr)
            assert SAYS[command.split()[1]] in result.stdout
            if " init " in command:  # "raise the levels in the file"
                config = home / "mine" / "loop.toml"
                config.write_text(edit(config.read_text(), QUICK))
            if " publish " in command:
                loop.until(lambda: [one for one in loop.events(Verdict) if one.action])
        _programs(loop, home)


def test_the_demonstration_runs_and_reports(home: Path) -> None:
    report = home / "report.json"
    arguments = [*SHORTENED["make demo"], f"REPORT={report}"]
    result = subprocess.run(
        ["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=200, check=False
    )
    assert result.returncode == 0, result.stderr
    found = msgspec.json.decode(report.read_bytes())
    assert found["broker"].startswith("Apache Kafka")
    assert found["telemetry_events"] > 500
    assert found["episodes"] >= found["lab"]["faults_seen"] >= 2
    assert found["actions"] >= 1
    assert found["actions_executed_twice"] == 0
    assert found["actions_without_outcome"] == 0
    assert sum(found["outcomes"].values()) == found["actions"]
    assert sum(found["verdicts"].values()) + found["undecided"] == found["proposals"]
    assert found["undecided"] <= 1  # the one that was made as the run ended
    assert found["latency_ms_p50"] <= found["latency_ms_p99"]
    assert found["dead_letters"] == found["restarts"] == 0
    assert "0 executed twice, 0 without an outcome" in result.stdout


def test_no_command_is_left_out_without_a_reason() -> None:
    written = {*commands(ROOT / "README.md"), *commands(ROOT / "schemas" / "README.md")}
    assert (
        written - {one for one in written if one.startswith(".venv/bin/flyball ")} == EXCLUDED.keys() | SHORTENED.keys()
    )


def _programs(loop: LiveLoop, home: Path) -> None:
    """Run the two programs of schemas/README.md against the loop: one sends a fault, the other takes the action."""
    publisher, consumer = (
        block.replace("flyball_schemas", "schemas").replace("127.0.0.1:9092", loop.connection.bootstrap)
        for block in blocks(ROOT / "schemas" / "README.md", "python")
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", consumer],
        cwd=home / "mine",
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            loop.until(lambda: any(one.instance == "executor/restarts/host-1" for one in loop.presence()))
            loop.warm_up_with("host-1", {"cpu": 0.1, "queue": 1.0})
            subprocess.run([sys.executable, "-c", publisher], cwd=ROOT, check=True, timeout=PATIENCE_S)
            assert process.stdout is not None
            assert process.stdout.readline() == "restart host-1 {}\n"
        finally:
            process.terminate()


def _wait_until_up(loop: LiveLoop, command: str, log: Path) -> None:
    if " run " in command:
        address = loop.folder / "var" / "kafka.json"
        loop.until(lambda: address.exists() and "running detect" in log.read_text())
        connection = msgspec.json.decode(address.read_bytes())["connection"]
        loop.connect(msgspec.convert(connection, KafkaConnection))
        wanted = {"detect", "decide", "gate", "improve"}
    else:
        wanted = {"executor"}
    loop.until(lambda: {one.role for one in loop.presence()} >= wanted)


def _write_data(path: Path) -> None:
    start_us = time.time_ns() // 1_000 - 5_000_000
    values = [50.0, 51.0, 52.0] * 5 + [95.0]
    rows = [f"a-host,{start_us + number * 20_000},{value}" for number, value in enumerate(values)]
    path.write_text("\n".join(["entity,time,load", *rows]) + "\n")
