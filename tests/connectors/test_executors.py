"""The executor, over actions handed out from memory, and over a real lab."""

import asyncio
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Container
from pathlib import Path

import pytest

from connectors.executors.handler import Result, State
from connectors.executors.lab import lab_handlers
from connectors.executors.log import LogHandler
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, StuckError
from connectors.lab.faults import ACTIONS
from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld, control_file
from schemas.errors import BrokerError
from schemas.events import Action
from tests.connectors.memory import Memory, Scripted, action, execute, fail, succeed


def blow_up() -> Result:
    raise RuntimeError("sparks")


def leave() -> Result:
    sys.exit(2)


def be_cancelled() -> Result:
    raise asyncio.CancelledError


def oversleep() -> Result:
    time.sleep(0.6)
    return succeed()


class SlowToWrite(Memory):
    """Takes longer to write an end than the executor looks away."""

    def report(self, action: Action, state: State, detail: str = "") -> None:
        time.sleep(0.1)
        super().report(action, state, detail)


class BreaksOff(Memory):
    """Gone as soon as there is nothing left to take."""

    def poll(self, timeout_s: float = 1.0, *, names: Container[str] | None = None) -> Action | None:
        if not self.waiting:
            time.sleep(0.1)
            raise BrokerError("gone")
        return super().poll(timeout_s, names=names)


CASES = [
    # script, idempotent, attempts, state
    ((succeed,), False, 1, "succeeded"),
    ((fail, succeed), False, 1, "failed"),
    ((fail, succeed), True, 2, "succeeded"),
    ((fail,), True, 3, "failed"),
    ((blow_up, succeed), False, 1, "unknown"),
    ((blow_up, succeed), True, 2, "succeeded"),
    ((leave,), False, 1, "unknown"),
    ((be_cancelled, succeed), True, 2, "succeeded"),
    ((oversleep, succeed), True, 1, "unknown"),
]


@pytest.mark.parametrize(("script", "idempotent", "attempts", "state"), CASES)
def test_an_action_gets_one_end_and_retries_only_when_idempotent(
    script: tuple[Callable[[], Result], ...], idempotent: bool, attempts: int, state: State
) -> None:
    memory, handler = Memory(action()), Scripted(*script, idempotent=idempotent)
    execute(memory, {"mend": handler})
    time.sleep(0.5 if oversleep in script else 0)
    assert [end[:2] for end in memory.ends] == [("action-1", state)]
    assert handler.attempts == attempts


@pytest.mark.parametrize(("refuse_after", "attempts", "state"), [(0, 0, "refused"), (1, 1, "failed")])
def test_control_is_asked_before_the_effect_and_before_each_retry(
    refuse_after: int, attempts: int, state: State
) -> None:
    memory, handler = Memory(action(), refuse_after=refuse_after), Scripted(fail, succeed, idempotent=True)
    execute(memory, {"mend": handler})
    assert handler.attempts == attempts
    assert memory.ends[0][1] == state
    assert "paused" in memory.ends[0][2]


def test_a_dry_run_has_no_effect() -> None:
    memory, handler = Memory(action(dry_run=True)), Scripted(succeed)
    execute(memory, {"mend": handler})
    assert handler.attempts == 0
    assert memory.ends == [("action-1", "succeeded", "dry run: nothing was done")]


def test_an_action_without_a_handler_is_left_to_others_and_the_rest_go_on() -> None:
    memory = Memory(action(1, "juggle"), action(2))
    execute(memory, {"mend": Scripted(succeed)})
    assert memory.left == ["action-1"]
    assert memory.ends == [("action-2", "succeeded", "mended")]


def test_no_action_is_taken_while_every_place_is_busy() -> None:
    def nap() -> Result:
        time.sleep(0.05)
        return succeed()

    memory = Memory(*(action(number) for number in range(8)))
    execute(memory, {"mend": Scripted(nap)})
    assert sorted(end[0] for end in memory.ends) == [f"action-{number}" for number in range(8)]
    assert not memory.polled_while_full
    assert memory.rested > 0  # and Kafka does not take the executor for dead meanwhile


def test_handlers_that_never_come_back_stop_the_executor_with_the_remedy() -> None:
    release = threading.Event()

    def never() -> Result:
        release.wait(10)
        return succeed()

    memory = Memory(action(1), action(2), action(3))
    with pytest.raises(StuckError, match="start the executor again"):
        execute(memory, {"mend": Scripted(never)})
    release.set()
    assert [end[1] for end in memory.ends] == ["unknown", "unknown"]


def test_ends_that_kafka_takes_slowly_do_not_stop_the_executor() -> None:
    """Every place is held by an action that was ended but not written yet: its handler has returned in time."""
    memory = SlowToWrite(*(action(number) for number in range(4)))
    execute(memory, {"mend": Scripted(succeed)})
    assert [end[1] for end in memory.ends] == ["succeeded"] * 4


def test_what_runs_when_the_executor_stops_becomes_unknown_in_time() -> None:
    release = threading.Event()

    def wait_long() -> Result:
        release.wait(10)
        return succeed()

    memory = Memory(action())
    settings = ExecutorSettings(retries=Retries(timeout_s=30), stop_s=0.2)
    threading.Timer(0.3, memory.stop.set).start()
    begun_s = time.monotonic()
    execute(memory, {"mend": Scripted(wait_long)}, settings)
    assert time.monotonic() - begun_s < 2
    release.set()
    time.sleep(0.05)
    assert memory.ends == [("action-1", "unknown", "the executor stopped before the action ended")]


def test_no_attempt_begins_once_the_end_was_told() -> None:
    """The executor ends by an error while an action waits to be tried again."""
    memory, handler = BreaksOff(action()), Scripted(fail, idempotent=True)
    memory.expected = 2  # nobody else stops it
    settings = ExecutorSettings(retries=Retries(attempts=1000, timeout_s=0.3, pause_s=0.2, longest_s=0.2), stop_s=0.0)
    with pytest.raises(BrokerError, match="gone"):
        execute(memory, {"mend": handler}, settings)
    time.sleep(0.1)  # for one that had begun just before
    attempts = handler.attempts
    time.sleep(0.5)
    assert handler.attempts == attempts
    assert memory.ends == [("action-1", "unknown", "the executor stopped before the action ended")]


@pytest.mark.parametrize(("kind", "nap_s"), [(Memory, 0.2), (SlowToWrite, 0.0)])
def test_an_end_that_cannot_be_reported_while_stopping_is_an_error_too(kind: type[Memory], nap_s: float) -> None:
    """The executor tells it itself, or it is being told already and takes longer than the executor waits for work."""
    memory = kind(action(1), action(2), broken=True)

    def stop() -> Result:
        memory.stop.set()
        time.sleep(nap_s)
        return succeed()

    with pytest.raises(BrokerError, match="no broker"):
        execute(memory, {"mend": Scripted(stop)}, ExecutorSettings(stop_s=0.02))


def test_an_end_that_cannot_be_told_for_a_handler_that_is_late_is_an_error_too() -> None:
    memory = SlowToWrite(action(1), broken=True)
    settings = ExecutorSettings(retries=Retries(timeout_s=0.1, grace_s=0.0))
    with pytest.raises(BrokerError, match="no broker"):
        execute(memory, {"mend": Scripted(lambda: time.sleep(0.15) or succeed())}, settings)


def test_an_end_that_cannot_be_reported_stops_the_executor() -> None:
    with pytest.raises(BrokerError, match="no broker"):
        execute(Memory(action(), broken=True), {"mend": Scripted(succeed)})


def test_the_log_handler_writes_one_json_line_per_action() -> None:
    stream = io.StringIO()
    execute(Memory(action(1), action(2)), {"mend": LogHandler(stream)})
    assert sorted(json.loads(line)["id"] for line in stream.getvalue().splitlines()) == ["action-1", "action-2"]


def test_the_lab_handlers_do_every_action_of_a_real_lab(tmp_path: Path) -> None:
    settings = LabSettings(folder=str(tmp_path), services=1, most_faults_at_once=0, boot_us=0)
    world = LabWorld(settings, lambda _: None, tmp_path / "log")
    memory = Memory(
        *(action(number, name, entity="service-01") for number, name in enumerate(ACTIONS)),
        action(9, "restart", entity="service-77"),
    )
    patient = ExecutorSettings(concurrency=1)

    async def run() -> None:
        running = asyncio.create_task(world.run())
        await world.wait_ready()
        handlers = lab_handlers(control_file(settings))
        await asyncio.get_running_loop().run_in_executor(None, execute, memory, handlers, patient)
        world.stop()
        await running

    asyncio.run(run())
    assert [end[1] for end in memory.ends] == ["succeeded"] * len(ACTIONS) + ["refused"]


def test_a_lab_that_does_not_run_is_a_failed_action(tmp_path: Path) -> None:
    memory = Memory(action(1, "restart"))
    execute(memory, lab_handlers(tmp_path / "control.json"))
    assert memory.ends[0][1] == "failed"
    assert "the lab does not run" in memory.ends[0][2]
