"""A stop reaches the gate and every executor, and so does silence; a broker that is down costs a line, not a trace."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from connectors.executors.handler import Result
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, run_executor
from connectors.kafka.launcher import LocalKafka
from connectors.kafka.ports import free_ports
from schemas.client import ActionConsumer
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.events import Action, Episode, Outcome, Recurrence, Verdict
from schemas.keyfiles import load_signer, load_trust
from schemas.signing import Audience
from tests.kafka.live_loop import QUICK, ROOT, LiveLoop
from tests.patience import PATIENCE_S

ROLES = ("detect", "decide", "gate")
STOP_S = 10.0


class Slow:
    """Takes its time; a person pauses meanwhile."""

    idempotent = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.starts: list[float] = []

    def run(self, action: Action, *, timeout_s: float) -> Result:  # noqa: ARG002  # it does not matter here
        self.starts.append(time.monotonic())
        time.sleep(self._seconds)
        return Result(state="succeeded")


class Failing:
    """Fails at once and is tried again, were there no stop in between."""

    idempotent = True

    def __init__(self) -> None:
        self.starts: list[float] = []

    def run(self, action: Action, *, timeout_s: float) -> Result:  # noqa: ARG002  # it does not matter here
        self.starts.append(time.monotonic())
        return Result(state="failed", detail="it did not work")


@contextmanager
def executor(
    loop: LiveLoop, cluster_id: str, group: str, handler: "Slow | Failing", *, stop_file: Path | None = None
) -> Iterator[None]:
    """Run an executor of its own group; groups each see every action."""
    audience = Audience(cluster=cluster_id, loop=loop.name)
    stop = threading.Event()
    with ActionConsumer(
        loop.connection,
        audience=audience,
        trust=load_trust(loop.folder / "keys"),
        signer=load_signer(loop.folder / "keys", "outcomes", audience),
        group=group,
        executor=f"{group}-1",
        store=loop.folder / group,
        stop_file=stop_file,
    ) as consumer:
        settings = ExecutorSettings(retries=Retries(attempts=5, timeout_s=30, pause_s=4.0))

        def work() -> None:
            while not stop.is_set():  # a broker that is silent ends an executor, and its supervisor starts it again
                with suppress(BrokerError):
                    run_executor(consumer, {"restart": handler}, stop=stop, settings=settings)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Give a broker that may be stopped: not the one that all tests share."""
    with LocalKafka(data=tmp_path_factory.mktemp("stopped-kafka")) as broker:
        broker.start()
        yield broker


@pytest.fixture(scope="module")
def loop(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLoop]:
    found = LiveLoop(tmp_path_factory.mktemp("stop"), name="stop", connection=kafka.connection)
    restart = {"limit": '"9/hour"', "expires": '"2m"', "executor": '"command.restart"'}
    found.init(QUICK | {f"actions.restart.{name}": value for name, value in restart.items()})
    found.config.write_text(f'{found.config.read_text()}\n[executors.command.restart]\nargv = ["/bin/sleep", "12"]\n')
    found.command("topics", "apply")
    found.command("activate")
    with found.running(ROLES):
        yield found


def test_a_pause_stops_running_and_retrying_executors_and_the_gate_and_a_resume_gives_nothing_back(
    kafka: LocalKafka, loop: LiveLoop
) -> None:
    slow, failing = Slow(4.0), Failing()
    loop.warm_up("a", "b", "c", "d", "e", "f")
    with (
        executor(loop, kafka.cluster_id, "slow", slow),
        executor(loop, kafka.cluster_id, "failing", failing),
    ):
        loop.fail("a")
        loop.until(lambda: slow.starts and failing.starts)
        paused_at = time.monotonic()
        said = loop.command("pause", "--reason", "a test")
        assert time.monotonic() - paused_at < STOP_S + 4.0  # the handler that ran ends by itself, and it is waited for
        assert "gate and 2 of 2 executors confirmed; nothing running" in said
        starts = len(slow.starts), len(failing.starts)
        status = loop.json("status")
        assert status["paused"] is True
        assert status["pauses"] == {"pause/loop": "a test"}
        confirmed = {part["role"] for part in status["parts"] if part["confirms_stop"]}
        assert {"gate", "executor"} <= confirmed

        loop.fail("b", "f")
        loop.until(lambda: {"b", "f"} <= {one.entity for one in loop.events(Recurrence)})
        loop.heal("f")
        loop.until(lambda: "f" in {one.entity for one in loop.events(Episode) if one.phase == "closed"})
        time.sleep(5.0)  # longer than the pause between an executor's attempts
        # the policy knows that all is blocked and proposes nothing, or the gate denies what was under way
        said_no = [one for one in loop.events(Verdict) if one.proposal.entity in "bf"]
        assert {(one.verdict, one.decided_by) for one in said_no} <= {("deny", "pause")}
        assert not {"b", "f"} & {one.entity for one in loop.events(Action)}
        assert (len(slow.starts), len(failing.starts)) == starts
        assert max(failing.starts) < paused_at + STOP_S
        ends = [one.detail for one in loop.events(Outcome) if one.group == "failing" and one.state == "failed"]
        assert len(ends) == 1
        assert "not tried again" in ends[0]

        loop.command("resume")  # what came meanwhile still holds at b, and at f no longer
        allowed = loop.until(lambda: [one for one in loop.events(Verdict) if one.action and one.proposal.entity == "b"])
        check = next(check for check in allowed[0].checks if check.name == "action-budget")
        assert (check.spent, check.allowed) == (1, 9)  # what was spent before the pause
        loop.fail("c", "d", "e")
        loop.until(lambda: len(slow.starts) >= 4)
        assert "f" not in {one.entity for one in loop.events(Action)}


def test_an_executor_that_is_frozen_in_the_middle_of_an_action_confirms_nothing(loop: LiveLoop) -> None:
    loop.warm_up("f")
    process = _start(("executor", "--name", "x-1", "--group", "frozen"), folder=loop.folder)
    try:
        loop.until(lambda: [one for one in loop.presence() if one.instance == "executor/frozen/x-1"])
        loop.fail("f")
        (claim,) = loop.until(lambda: [one for one in loop.events(Outcome) if _is_claim(one)])
        said = loop.command("cancel", claim.action)
        assert "cancelled: restart on f; x-1 has claimed it" in said
        assert "; gate and 1 of 1 executors confirmed" in said
        os.kill(process.pid, signal.SIGSTOP)
        said = loop.command("pause", "entity:f", expect=1)
        assert (
            "paused entity:f: gate and 0 of 1 executors confirmed; nothing else running; frozen/x-1 not heard" in said
        )
        assert "it may still run: restart f, " in said
        assert "settled as unknown: restart on f; gate confirmed" in loop.command("settle", claim.action, "unknown")
        said = loop.command("pause", "entity:f")
        assert "gate and 0 of 1 executors confirmed; nothing running; frozen/x-1 not heard" in said
        assert "it holds no action" in said
        os.kill(process.pid, signal.SIGCONT)
        loop.until(lambda: [one for one in loop.events(Outcome) if one.action == claim.action and not _is_claim(one)])
        assert "resumed entity:f: gate and 1 of 1 executors confirmed" in loop.command("resume", "entity:f")
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(PATIENCE_S)


def _is_claim(outcome: Outcome) -> bool:
    return (outcome.group, outcome.state) == ("frozen", "claimed")


def test_a_stop_file_stops_gate_and_executor_of_its_machine_and_a_replay_denies_alike(
    kafka: LocalKafka, tmp_path: Path
) -> None:
    here = LiveLoop(tmp_path, name="here", connection=kafka.connection)
    here.init(QUICK)
    here.command("topics", "apply")
    here.command("activate")
    failing, stop_file = Failing(), tmp_path / "var" / "STOP"
    with here.running(ROLES), executor(here, kafka.cluster_id, "here", failing, stop_file=stop_file):
        here.warm_up("a", "b")
        here.fail("a")
        here.until(lambda: failing.starts)
        here.command("stop", "--local", "--reason", "a test")
        (end,) = here.until(lambda: [one for one in here.events(Outcome) if one.state == "failed"], timeout_s=10)
        assert "not tried again: stop file" in end.detail
        starts = len(failing.starts)
        here.until(
            lambda: {one.role for one in here.presence() if one.why.startswith("stop file")} == {"gate", "executor"},
            timeout_s=10,
        )
        assert "stopped on this machine: stop file var/STOP" in here.command("status")

        here.fail("b")
        here.until(lambda: [one for one in here.events(Recurrence) if one.entity == "b"])
        assert not [one for one in here.events(Verdict) if one.action and one.proposal.entity == "b"]
        assert len(failing.starts) == starts

        here.command("rearm", "--local")  # what came meanwhile still holds
        here.until(lambda: [one for one in here.events(Verdict) if one.action and one.proposal.entity == "b"])
        here.until(lambda: len(failing.starts) > starts)
    here.command("replay")  # exits with 1 where a verdict differs from the journal's


def test_silence_of_the_broker_stops_the_gate_and_executors(kafka: LocalKafka, loop: LiveLoop) -> None:
    failing = Failing()
    pid = kafka.pids[1]
    loop.warm_up("silent")
    with executor(loop, kafka.cluster_id, "deaf", failing):
        before = {one.id for one in loop.events(Action)}
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(STOP_S + 2.0)
        finally:
            os.kill(pid, signal.SIGCONT)
        woken = time.monotonic()
        starts = len(failing.starts)
        loop.until(lambda: all(one.state == "running" for one in loop.presence() if one.role == "gate"))
        assert {one.id for one in loop.events(Action)} == before
        assert len(failing.starts) == starts
        loop.fail("silent")  # and it goes on by itself once control is heard again
        loop.until(lambda: [one for one in loop.events(Verdict) if one.proposal.entity == "silent"])
        assert time.monotonic() - woken < 60


def test_a_broker_that_is_down_costs_one_clear_line(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    loop = LiveLoop(tmp_path, name="down", connection=KafkaConnection(bootstrap=address))
    loop.init({})
    (tmp_path / "data.csv").write_text("entity,time,load\na,2026-01-01T00:00:00Z,1.0\n")
    typed = [("status",), ("publish", "data.csv"), ("pause",), ("run", "--role", "gate")]
    processes = [_start(arguments, folder=tmp_path) for arguments in typed]
    *commands, worker = processes
    try:
        for command in commands:
            assert command.wait(PATIENCE_S) == 6
            said = (tmp_path / f"{command.pid}.log").read_text()
            assert "Traceback" not in said
            assert address in said
            assert len(said.strip().splitlines()) == 1
        log = tmp_path / f"{worker.pid}.log"
        loop.until(lambda: log.read_text().count("; trying again in") >= 2)
        assert worker.poll() is None  # it tries again until somebody answers
    finally:
        for process in processes:
            process.terminate()
            process.wait(PATIENCE_S)
    said = log.read_text()
    assert "Traceback" not in said
    assert all(address in line for line in said.splitlines())


def _start(arguments: tuple[str, ...], *, folder: Path) -> "subprocess.Popen[bytes]":
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    Path(log.name).rename(folder / f"{process.pid}.log")
    return process
