"""One action in the hands of an executor: attempts, retries, and exactly one end."""

import threading
from typing import Protocol

import msgspec

from connectors.executors.handler import Handler, Result, State
from schemas.events import Action


class Actions(Protocol):
    """Where actions come from and ends go to; `schemas.client.consumer.ActionConsumer` is one."""

    def poll(self, timeout_s: float = 1.0) -> Action | None:
        """Return the next action, claimed already, or None when none came in time."""
        ...

    def why_not(self, action: Action) -> str | None:
        """Return why the action must not have its effect now, or None when it may."""
        ...

    def report(self, action: Action, state: State, detail: str = "") -> None:
        """Write the one end of an action."""
        ...


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often an idempotent handler is tried, how long one attempt may take, and the pause between two."""

    attempts: int = 3
    timeout_s: float = 15.0
    pause_s: float = 1.0


class Work:
    """Runs one action in a thread. Whoever ends it first reports; every later end is dropped."""

    def __init__(
        self, *, action: Action, handler: Handler, actions: Actions, retries: Retries, stopping: threading.Event
    ) -> None:
        self.action = action
        self._handler = handler
        self._actions = actions
        self._retries = retries
        self._stopping = stopping
        self._lock = threading.Lock()
        self.ended = False
        """Whether the end was reported, perhaps for a handler that still runs."""
        self.failure: Exception | None = None
        """What went wrong while reporting."""
        self._thread = threading.Thread(target=self._run, name=f"action-{action.id[:8]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def running(self) -> bool:
        """Return whether its thread still runs (also after its end was reported for it)."""
        return self._thread.is_alive()

    def wait(self, timeout_s: float) -> None:
        """Wait for the thread, no longer than told."""
        self._thread.join(timeout_s)

    def end(self, state: State, detail: str) -> None:
        """Report the end, unless that was done."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
        self._actions.report(self.action, state, detail)

    def _run(self) -> None:
        try:
            result = self._attempt_all()
            self.end(result.state, result.detail)
        except Exception as error:  # the executor's own thread raises it
            self.failure = error

    def _attempt_all(self) -> Result:
        """Try until it succeeds or must not be tried again. Control and expiry are checked before every attempt."""
        last = Result(state="refused")
        attempts = self._retries.attempts if self._handler.idempotent else 1
        for attempt in range(attempts):
            why_not = self._actions.why_not(self.action)
            if why_not is not None:
                return _cut_short(last, why_not)
            last = self._attempt()
            if self.ended or last.state in ("succeeded", "refused"):
                break
            if attempt + 1 < attempts and self._stopping.wait(self._retries.pause_s):
                return _cut_short(last, "the executor is stopping")
        return last

    def _attempt(self) -> Result:
        if self.action.dry_run:
            return Result(state="succeeded", detail="dry run: nothing was done")
        watch = threading.Timer(self._retries.timeout_s, self._overrun)
        watch.daemon = True
        watch.start()
        try:
            return self._handler.run(self.action, timeout_s=self._retries.timeout_s)
        except Exception as error:  # whatever a handler raises, the action must get its end
            return Result(state="unknown", detail=f"{type(error).__name__}: {error}")
        finally:
            watch.cancel()

    def _overrun(self) -> None:
        try:
            self.end("unknown", f"the handler did not return within {self._retries.timeout_s:g} s")
        except Exception as error:  # see _run
            self.failure = error


def _cut_short(last: Result, why: str) -> Result:
    detail = f"{last.detail}; not tried again: {why}" if last.detail else why
    return Result(state=last.state, detail=detail)
