"""Actions handed to an executor from memory, and what it made of them: no broker is needed."""

import threading
from collections import deque
from collections.abc import Callable, Container, Mapping

from connectors.executors.handler import Handler, Result, State
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings, run_executor
from schemas.errors import BrokerError
from schemas.events import Action

QUICK = ExecutorSettings(concurrency=2, retries=Retries(timeout_s=0.3, grace_s=0.0, pause_s=0.01), stop_s=0.2)


def action(
    number: int = 1,
    name: str = "mend",
    *,
    entity: str = "pump",
    dry_run: bool = False,
    parameters: dict[str, str] | None = None,
) -> Action:
    return Action(
        id=f"action-{number}",
        time_us=0,
        entity=entity,
        action=name,
        proposal="proposal",
        episode="episode",
        pattern="pattern",
        issued_us=0,
        expires_us=0,
        settings_hash="",
        dry_run=dry_run,
        parameters=parameters or {},
    )


class Memory:
    """Actions from a list; `refuse_after` attempts control says no. Stops the executor when all have their end."""

    def __init__(self, *actions: Action, refuse_after: int | None = None, broken: bool = False) -> None:
        self.waiting = deque(actions)
        self.expected = len(actions)
        self.ends: list[tuple[str, State, str]] = []
        self.stop = threading.Event()
        self.polled_while_full = False
        self.in_flight = 0
        self.rested = 0
        self.left: list[str] = []
        """What was asked for by no name, and so belongs to others."""
        self._asked = 0
        self._refuse_after = refuse_after
        self._broken = broken

    def poll(self, timeout_s: float = 1.0, *, names: Container[str] | None = None) -> Action | None:
        while self.waiting and names is not None and self.waiting[0].action not in names:
            self.left.append(self.waiting.popleft().id)
        if not self.waiting:
            self.stop.wait(timeout_s)
            return None
        self.polled_while_full |= self.in_flight >= QUICK.concurrency
        self.in_flight += 1
        return self.waiting.popleft()

    def rest(self, timeout_s: float) -> None:
        self.rested += 1
        self.stop.wait(timeout_s)

    def why_not(self, _: Action) -> str | None:
        self._asked += 1
        return "paused" if self._refuse_after is not None and self._asked > self._refuse_after else None

    def report(self, action: Action, state: State, detail: str = "") -> None:
        if self._broken:
            raise BrokerError("no broker")
        self.in_flight -= 1
        self.ends.append((action.id, state, detail))
        if len(self.ends) + len(self.left) == self.expected:
            self.stop.set()


class Scripted:
    """A handler that does what it is told, attempt by attempt; the last instruction is repeated."""

    def __init__(self, *script: Callable[[], Result], idempotent: bool = False) -> None:
        self.idempotent = idempotent
        self.attempts = 0
        self._script = script

    def run(self, _: Action, *, timeout_s: float) -> Result:
        assert timeout_s > 0
        self.attempts += 1
        return self._script[min(self.attempts, len(self._script)) - 1]()


def succeed() -> Result:
    return Result(state="succeeded", detail="mended")


def fail() -> Result:
    return Result(state="failed", detail="no spare part")


def execute(memory: Memory, handlers: Mapping[str, Handler], settings: ExecutorSettings = QUICK) -> None:
    guard = threading.Timer(5, memory.stop.set)
    guard.start()
    run_executor(memory, handlers, stop=memory.stop, settings=settings)
    guard.cancel()
    guard.join()
