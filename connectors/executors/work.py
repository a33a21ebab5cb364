"""One action in the hands of an executor: attempts, retries, and exactly one end."""

import threading
import time
from collections.abc import Container
from typing import Protocol

from msgspec.structs import replace

from connectors.executors.handler import Handler, Result, State
from connectors.executors.retries import Retries
from schemas.events import Action

_ASK_EVERY_S = 0.5
_TELL_WITHIN_S = 15.0
"""Longer than writing an end may take."""
_THEN = "; tried again: "


class Actions(Protocol):
    """Where actions come from and ends go to; `schemas.client.consumer.ActionConsumer` is one."""

    def poll(self, timeout_s: float = 1.0, *, names: Container[str] | None = None) -> Action | None:
        """Return the next action of one of these names, claimed already, or None when none came in time."""
        ...

    def rest(self, timeout_s: float) -> None:
        """Take nothing for a while, and stay among those who do."""
        ...

    def why_not(self, action: Action) -> str | None:
        """Return why the action must not have its effect now, or None when it may."""
        ...

    def report(self, action: Action, state: State, detail: str = "") -> None:
        """Write the one end of an action."""
        ...


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
        self._ended = False
        self._told = threading.Event()
        self.overran = False
        """Whether the end was reported for a handler that had not returned in time."""
        self.failure: BaseException | None = None
        """What went wrong while reporting."""
        self._thread = threading.Thread(target=self._run, name=f"action-{action.id[:8]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def running(self) -> bool:
        """Return whether its thread still runs (also after its end was reported for it), or its end is being told."""
        return self._thread.is_alive() or (self._ended and not self._told.is_set())

    def wait(self, timeout_s: float) -> None:
        """Wait for the thread, no longer than told."""
        self._thread.join(timeout_s)

    def give_up(self, detail: str) -> None:
        """End it as `unknown`, unless it was ended; returns when an end was told. No attempt is begun from then on."""
        self._end("unknown", detail)
        self._told.wait(_TELL_WITHIN_S)

    def _end(self, state: State, detail: str) -> bool:
        """Report the end, unless that was done or is being done; returns whether this end is the one."""
        with self._lock:
            if self._ended:
                return False
            self._ended = True
        try:
            self._actions.report(self.action, state, detail)
        except BaseException as error:  # the executor's own thread raises it
            self.failure = error
        self._told.set()
        return True

    def _run(self) -> None:
        try:
            result = self._attempt_all()
        except BaseException as error:  # see _end
            self.failure = error
        else:
            self._end(result.state, result.detail)

    def _attempt_all(self) -> Result:
        """Try until it succeeds or must not be tried again. Control and expiry are checked before every attempt."""
        whole = Result(state="refused")
        for attempt in range(self._retries.attempts):
            why_not = self._actions.why_not(self.action)
            if why_not is not None:
                return _cut_short(whole, why_not)
            if self._ended:
                break
            last = self._attempt()
            whole = last if attempt == 0 else _together(whole, last)
            if not self._may_try_again(last) or attempt + 1 == self._retries.attempts:
                break
            wait_s = self._retries.wait_s(self.action.id, attempt, asked_s=last.wait_s)
            if wait_s is None:
                longest_s = self._retries.longest_s
                return _cut_short(whole, f"it asks to wait {last.wait_s:g} s, longer than {longest_s:g} s")
            why_not = self._rest(wait_s)
            if why_not is not None:
                return _cut_short(whole, why_not)
        return whole

    def _rest(self, wait_s: float) -> str | None:
        """Wait before a retry; return at once what speaks against it, so that a stop need not wait for its end.

        None also when the action was ended meanwhile.
        """
        until_s = time.monotonic() + wait_s
        while not self._ended and (left_s := until_s - time.monotonic()) > 0:
            if self._stopping.wait(min(left_s, _ASK_EVERY_S)):
                return "the executor is stopping"
            if (why_not := self._actions.why_not(self.action)) is not None:
                return why_not
        return None

    def _may_try_again(self, last: Result) -> bool:
        if last.state == "succeeded" or last.retry == "never":
            return False
        return last.retry == "always" or (self._handler.idempotent and last.state != "refused")

    def _attempt(self) -> Result:
        if self.action.dry_run:
            return Result(state="succeeded", detail="dry run: nothing was done")
        watch = threading.Timer(self._retries.timeout_s + self._retries.grace_s, self._overrun)
        watch.daemon = True
        watch.start()
        try:
            return self._handler.run(self.action, timeout_s=self._retries.timeout_s)
        except BaseException as error:  # whatever a handler raises, SystemExit too, the action must get its end
            return Result(state="unknown", detail=f"{type(error).__name__}: {error}")
        finally:
            watch.cancel()

    def _overrun(self) -> None:
        if self._end("unknown", f"the handler did not return within {self._retries.timeout_s:g} s"):
            self.overran = True


def _together(before: Result, last: Result) -> Result:
    """Return how an action stands after one more attempt.

    What may have had its effect once (`unknown`) only a success settles; what began and failed was not `refused`.
    """
    if last.state == "succeeded" or _traces(last) >= _traces(before):
        return last
    first = before.detail.partition(_THEN)[0]
    said = f"{last.state}: {last.detail}" if last.detail else last.state
    return replace(before, detail=f"{first}{_THEN}{said}")


def _traces(result: Result) -> int:
    """Return how much an attempt that did not succeed may have left in the world: 0 for surely nothing."""
    if result.state == "unknown":
        return 2
    return 1 if result.state == "failed" and result.begun and result.retry != "always" else 0


def _cut_short(last: Result, why: str) -> Result:
    detail = f"{last.detail}; not tried again: {why}" if last.detail else why
    return Result(state=last.state, detail=detail)
