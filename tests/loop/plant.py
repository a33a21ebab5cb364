"""A pump that wears out, under a policy that follows its lives."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.events import Event, Measurement, Outcome, Proposal
from schemas.ids import derive
from streams.loop.actions import ActionSettings
from streams.loop.policy import Policy, PolicySettings, RenewalSettings
from streams.loop.processor import Now
from tests.loop.decided import START, outcome, recorded, verdict

HOUR = 3_600_000_000
ACTIONS = {name: ActionSettings(name=name, cost=0.1) for name in ("replace", "restart")}
LOOP_ALONE = {"loop": 1.0, "baseline": 0.0, "none": 0.0}


def policy(*, hold_out: dict[str, float] | None = None, renewal: dict[str, Any] | None = None, **fields: Any) -> Policy:
    given = RenewalSettings(action="replace", failed="failed", **(renewal or {}))
    settings = PolicySettings(hold_out=hold_out or LOOP_ALONE, renewal=given, **fields)
    return Policy(settings, loop="t", seed=7, actions=ACTIONS)


def at(hour: float) -> Now:
    us = START + int(hour * HOUR)
    return Now(us, us)


def window(hour: float, values: dict[str, float], entity: str = "pump-1") -> Measurement:
    time_us = at(hour).us
    return Measurement(
        id=derive("measurement", entity, time_us),
        time_us=time_us,
        entity=entity,
        episode="",
        start_us=time_us,
        end_us=time_us,
        samples=1,
        abnormal=False,
        score=0.0,
        values=values,
    )


def in_hours(one: Any, hour: float) -> Any:
    """Return an answer, or an end, at another time than second 0."""
    return msgspec.structs.replace(one, id=derive(one.id, hour), time_us=at(hour).us)


@dataclass
class Plant:
    """One pump that wears out, a window an hour, under a policy; what is allowed is done within the hour."""

    policy: Policy
    hour: int = 0
    lives: int = 0
    proposals: list[Proposal] = field(default_factory=list)

    def fold(self, *events: Event, hour: float | None = None) -> list[Proposal]:
        outputs = self.policy.on_batch(recorded(*events, first=10 * self.hour), at(self.hour if hour is None else hour))
        found = [event for event in outputs if isinstance(event, Proposal)]
        self.proposals += found
        return found

    def live(self, *, answer: str = "allow", end: str = "succeeded") -> tuple[int, bool]:
        """Live one life; return how long it was, and whether it failed."""
        draw = random.Random(self.lives)
        self.lives += 1
        length = draw.randint(60, 140)
        for age in range(1, length):
            self.hour += 1
            wear = 20.0 - math.sqrt(length - age) + draw.gauss(0, 0.3)
            for proposal in self.fold(window(self.hour, {"wear": wear, "failed": 0.0})):
                if self.ended(proposal, answer, end):
                    return age, False
        self.hour += 1
        self.fold(window(self.hour, {"wear": 20.0, "failed": 1.0}))
        return length, True

    def ended(self, proposal: Proposal, answer: str, end: str) -> bool:
        """Answer a proposal and carry it out; return whether that ended the life."""
        if proposal.action != "replace":
            return False
        given = in_hours(verdict(proposal, answer), self.hour + 0.1)
        self.fold(given, hour=self.hour + 0.1)
        if given.action is None:
            return False
        self.fold(done(given, end, self.hour + 0.2), hour=self.hour + 0.2)
        return end == "succeeded"


def done(given: Any, state: str, hour: float) -> Outcome:
    return outcome(given, state, 0.0, time_us=at(hour).us, ended_us=at(hour).us)


def learned(**given: Any) -> Plant:
    """Return a plant of which six pumps failed while nothing was allowed."""
    plant = Plant(policy(**given))
    for _ in range(6):
        assert plant.live(answer="deny")[1]
    plant.proposals.clear()
    return plant


def row(plant: Plant) -> None:
    plant.hour += 1
    plant.fold(window(plant.hour, {"wear": 12.0 + 0.1 * (plant.hour % 120), "failed": 0.0}))


def by_hand(plant: Plant) -> Proposal:
    """Return what a person proposes: to replace it now."""
    return Proposal(
        id="by-hand", time_us=at(plant.hour).us, entity="pump-1", episode="", pattern="novel", action="replace",
        propensity=1.0, probabilities={"replace": 1.0}, expires_us=at(plant.hour + 1).us, model="", by="ann",
    )  # fmt: skip
