"""What the policy must not forget: plain structs, written to the snapshot as they are."""

from typing import Literal

import msgspec

from schemas.events import Recurrence
from streams.loop.policy.silence import Silence
from streams.loop.untold import Untold

STATE_VERSION = 8


class Open(msgspec.Struct, kw_only=True):
    """The proposal that an entity waits for. `free_us` is when it is given up; `retry_us` when it may be repeated.

    `escalated`: a person is asked, and what will be done is not decided yet. Of the attempts so far those `spared` were
    denied by what ends by itself, or never answered: they count for none. `refused` are the actions that were denied to
    the loop's arm in this episode for what rests on them alone. `late`: it was found to have been given up long ago,
    and is waited for once more.
    """

    proposal: str
    recurrence: Recurrence
    attempt: int
    free_us: int
    answered: bool = False
    escalated: bool = False
    retry_us: int | None = None
    spared: int = 0
    refused: tuple[str, ...] = ()
    late: bool = False

    def again(self, due_us: int) -> "Waiting":
        """Return its episode as one to decide once more."""
        return Waiting(
            recurrence=self.recurrence,
            attempt=self.attempt + 1,
            due_us=due_us,
            spared=self.spared,
            refused=self.refused,
        )


class Waiting(msgspec.Struct, kw_only=True):
    """An episode to decide: `due_us` is when, or None for as soon as the entity's open proposal has ended; in either
    case not while what the gate blocks leaves no action to choose (`Openings`).
    """

    recurrence: Recurrence
    attempt: int
    due_us: int | None
    spared: int = 0
    refused: tuple[str, ...] = ()

    def opened(self, proposal: str, free_us: int) -> Open:
        """Return it as decided by a proposal."""
        return Open(
            proposal=proposal,
            recurrence=self.recurrence,
            attempt=self.attempt,
            free_us=free_us,
            spared=self.spared,
            refused=self.refused,
        )


class State(msgspec.Struct):
    """The whole state, in the order in which things came. `seen` are proposals that ended, those of which a late
    outcome came (with `/late` behind the id) and `Blocked` events; `held` are episodes and the time until which they
    wait for another entity to be acted on; `lives` is empty where none are followed; `recent` are the actions let
    through by entity, none in a state that was written before they were looked at; `asked` is the entity of which an
    episode that had waited was proposed last, `told_us` when the gate last said what it blocks, and `turned_away`
    what is still to be told of those that found no room to wait; `held_back` are the actions, by pattern, that the gate
    keeps back at their level, and `silence` is for how long nobody has answered.
    """

    version: int
    model: bytes
    open: list[tuple[str, Open]]
    waiting: list[tuple[str, Waiting]]
    decided: list[str]
    closed: list[str]
    blocked: dict[str, int]
    seen: list[str]
    held: list[tuple[str, int]]
    lives: bytes
    turned_away: Untold
    held_back: list[tuple[str, tuple[str, ...]]]
    silence: Silence
    recent: list[tuple[str, dict[str, int]]] = []
    asked: str = ""
    told_us: int = 0


Timer = tuple[int, Literal["free", "overflow", "retry"], int, str]
"""When, what, in which order at the same time, and of which entity."""
