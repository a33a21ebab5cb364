"""What does an action: the seam between the executor and the world."""

from typing import Literal, Protocol

import msgspec

from schemas.events import Action

State = Literal["succeeded", "failed", "refused", "unknown"]
Retry = Literal["always", "idempotent", "never"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended. `refused`: it never started; `unknown`: it may have had its effect."""

    state: State
    detail: str = ""
    retry: Retry = "idempotent"
    """Whether it may be tried again: always (it surely had no effect), where the handler is idempotent, or never."""
    wait_s: float = 0.0
    """How long the target asked to be left alone before the next attempt."""
    begun: bool = True
    """Whether it began at all; where it did not, it says nothing about the world (a check that could not ask)."""


class Handler(Protocol):
    """Does one kind of action. Runs in a thread of its own, several at a time."""

    @property
    def idempotent(self) -> bool:
        """Whether an action of the same id may be attempted again without a second effect. Else: one attempt only."""
        ...

    def run(self, action: Action, *, timeout_s: float) -> Result:
        """Do it, within `timeout_s`; later than that the attempt counts as `unknown`. So does an exception.

        Never called with a dry run: the executor answers that by itself.
        """
        ...
