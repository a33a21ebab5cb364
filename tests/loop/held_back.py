"""A policy of which the gate keeps some actions back at their level, with what came of each decision told at once."""

from typing import Any

from schemas.events import Event, Proposal, Verdict
from streams.loop.policy import Policy, PolicySettings
from tests.loop.decided import ACTIONS, START, S, at, experience, recorded, recurrence, verdict

EARNS = {"recycle": 0.8, "restart": 0.6, "shed": 0.1, "none": 0.1}
LOOP_ALONE = {"loop": 1.0, "baseline": 0.0, "none": 0.0}


def policy(*, seed: int = 7, **fields: Any) -> Policy:
    return Policy(PolicySettings(**fields), loop="t", seed=seed, actions=ACTIONS)


def answer(one: Proposal, *held: str, seconds: float = 0.0) -> Verdict:
    """Return what a gate says that keeps these actions back."""
    if one.action in held:
        return verdict(one, "shadow", seconds, decided_by="level", level="observe", held_back=held)
    return verdict(one, "allow", seconds, held_back=held if one.leaves_out_by_level else ())


def told(*held: str, pattern: str = "p-1") -> Verdict:
    """Return a verdict that says of a pattern what is held back, on another entity."""
    (one,) = _proposals(policy().on_batch(recorded(recurrence(f"told-{pattern}-{held}", "other", pattern)), at(0)))
    return verdict(one, "shadow", decided_by="level", held_back=held)


class Run:
    """A policy under a gate that keeps `held` back. `proposals` are what it proposed, `events` all that it heard."""

    def __init__(self, processor: Policy, *held: str) -> None:
        self.policy = processor
        self.held = held
        self.proposals: list[Proposal] = []
        self.events: list[Event] = []

    def live(self, episodes: int, *, pattern: str = "p-1") -> None:
        """Let episodes come, each of another entity, 100 s apart."""
        for _ in range(episodes):
            number = len(self.proposals)
            seconds = 100.0 * number
            asked = recurrence(f"e{number}", f"n{number}", pattern, time_us=START + int(seconds * S))
            (one,) = self.fold(asked, seconds=seconds)
            self.proposals.append(one)
            said = answer(one, *self.held, seconds=seconds)
            self.fold(said, _came_of(one, said), seconds=seconds)

    def fold(self, *events: Event, seconds: float) -> list[Proposal]:
        made = self.policy.on_batch(recorded(*events, first=len(self.events)), at(seconds))
        self.events += events
        return _proposals(made)


def _came_of(one: Proposal, said: Verdict) -> Event:
    if said.verdict == "shadow":
        return experience(one, "censored", None, effective="none", verdict="shadow")
    cost = 0.0 if one.action == "none" else ACTIONS[one.action].cost
    return experience(one, reward=EARNS[one.action] - cost, cost=cost)


def _proposals(events: list[Event]) -> list[Proposal]:
    return [event for event in events if isinstance(event, Proposal)]
