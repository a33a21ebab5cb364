"""Did it take? A handler whose word is not enough: a second one looks, and a third one takes back what did not take."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from connectors.executors.handler import Handler, Result
from schemas.events import Action
from schemas.ids import derive

_LEAST_S = 0.1


class VerifiedHandler:
    """Runs `handler`; then `check` every `every_s` until it succeeds or `within_s` are over.

    What a handler calls `succeeded` or `unknown` is `succeeded` once the check succeeds. What had succeeded and is told
    not to have taken is `failed`, and `undo` runs, once; `unknown` where the check cannot tell, or could not be asked,
    or the undo did not succeed. Check and undo get ids of their own, so that a target that drops the ids it knows
    answers them.

    `run` needs `within_s + undo_s` more than `handler`: its `timeout_s` must hold all three.
    """

    def __init__(
        self,
        handler: Handler,
        check: Handler,
        *,
        within_s: float,
        every_s: float,
        undo: Handler | None = None,
        undo_s: float = 0.0,
        why_paused: Callable[[Action], str | None] = lambda _: None,
    ) -> None:
        self._handler = handler
        self._check = check
        self._within_s = within_s
        self._every_s = every_s
        self._undo = undo
        self._undo_s = undo_s if undo is not None else 0.0
        self._why_paused = why_paused

    @property
    def idempotent(self) -> bool:
        return self._handler.idempotent

    def run(self, action: Action, *, timeout_s: float) -> Result:
        done = self._handler.run(action, timeout_s=timeout_s - self._within_s - self._undo_s)
        if done.state not in ("succeeded", "unknown"):
            return done
        seen, after_s = self._look(action)
        if seen.state == "succeeded":
            return Result(state="succeeded", detail=_joined(done.detail, f"verified after {after_s:.1f} s"))
        why = f"not verified within {self._within_s:g} s ({_spelled(seen)})"
        if done.state == "unknown":
            return replace(done, detail=_joined(done.detail, why))
        if seen.state == "unknown" or not seen.begun:
            return Result(state="unknown", detail=_joined(done.detail, why, "not undone"), retry="never")
        return self._take_back(action, _joined(done.detail, why))

    def _take_back(self, action: Action, why: str) -> Result:
        """Undo, once: a stop that came in the meantime holds for this too, the action's expiry does not."""
        if self._undo is None:
            return Result(state="failed", detail=why, retry="never")
        why_not = self._why_paused(action)
        if why_not is not None:
            return Result(state="failed", detail=_joined(why, f"not undone: {why_not}"), retry="never")
        undone = _safely(self._undo, replace(action, id=derive(action.id, "undo")), self._undo_s)
        if undone.state == "succeeded":
            return Result(state="failed", detail=_joined(why, "undone"), retry="never")
        return Result(state="unknown", detail=_joined(why, f"undo {_spelled(undone)}"), retry="never")

    def _look(self, action: Action) -> tuple[Result, float]:
        """Return the last answer of the check, and after how many seconds it came."""
        begun_s = time.monotonic()
        number = 0
        while True:
            left_s = begun_s + self._within_s - time.monotonic()
            asked = replace(action, id=derive(action.id, "verify", number))
            seen = _safely(self._check, asked, max(left_s, _LEAST_S))
            after_s = time.monotonic() - begun_s
            if seen.state == "succeeded" or after_s + self._every_s > self._within_s:
                return seen, after_s
            time.sleep(self._every_s)
            number += 1


def _safely(handler: Handler, action: Action, timeout_s: float) -> Result:
    try:
        return handler.run(action, timeout_s=timeout_s)
    except BaseException as error:  # whatever it raises, the action was done and must get its end
        return Result(state="unknown", detail=f"{type(error).__name__}: {error}")


def _spelled(result: Result) -> str:
    return f"{result.state}: {result.detail}" if result.detail else result.state


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
