"""What was learned and what it was worth: experience, models, audit, ledger."""

from typing import ClassVar, Literal

from .base import Event
from .decisions import ASK, Arm


class Experience(Event, frozen=True, kw_only=True):
    """Proposal, verdict and outcome joined: what the policy learns from, exactly once.

    `effective` is the action that really happened (`none` when nothing ran, as in a dry run). `effective_probability`
    is the propensity of the one that was *proposed*: with it this came about only where `effective` is that one, it was
    sure to be let through, and nothing else that could be drawn would have ended alike. What limits, people and
    executors make of other draws no record says; `flyball evaluate` estimates it. `late` retracts `retracted_reward`
    and corrects it. Reward is in [0, 1] less the action's cost. Where nothing was measured there is none, of
    `defaulted` and `late` too: such a `late` only retracts. `by` is the person who proposed it, where the loop did not.

    `early` tells no outcome, but the reward that an early signal foretells; what comes next of the proposal retracts
    it. `signal` is that signal: the share of the time until it was read that was left after a recovery, 0 without one.

    `asked`: the loop chose to ask a person, and the reward is what that came to: counted from when it was asked, as are
    recovery and availability, less `look_cost` (a part of `cost`, None where nobody answered). `unasked_reward` is what
    the effective action earned by itself, from the verdict on, as where people are asked because a level says so.
    """

    TYPE: ClassVar[str] = "flyball.experience.v1"
    TOPIC: ClassVar[str] = "experience"
    PATIENT: ClassVar[bool] = True

    proposal: str
    entity: str
    episode: str
    pattern: str
    arm: Arm
    state: Literal["observed", "defaulted", "late", "censored", "unobservable", "early"]
    proposed: str
    effective: str
    effective_probability: float
    verdict: Literal["allow", "escalate", "deny", "shadow"]
    reward: float | None = None
    retracted_reward: float | None = None
    cost: float = 0.0
    action: str | None = None
    outcome: str | None = None
    decided_us: int = 0
    recovery_us: int | None = None
    recovered: bool | None = None
    availability: float | None = None
    features: dict[str, float] = {}
    by: str = "loop"
    signal: float | None = None
    asked: bool = False
    look_cost: float | None = None
    unasked_reward: float | None = None

    @property
    def is_outcome(self) -> bool:
        """Whether it tells what came of the proposal, and not what is foretold of that."""
        return self.state != "early"

    @property
    def earned_by(self) -> str:
        """What earned the reward among all that the loop could choose: `ask`, or the effective action."""
        return ASK if self.asked else self.effective

    def key(self) -> str:
        return self.proposal


class Promotion(Event, frozen=True, kw_only=True):
    """A model version takes over a component, at this place in the journal. `model` is inline, at most 900 kB."""

    TYPE: ClassVar[str] = "flyball.promotion.v1"
    TOPIC: ClassVar[str] = "promotions"

    component: str
    version: str
    decision: Literal["promote", "hold", "roll-back"]
    trained_up_to: tuple[str, ...]
    model: bytes

    def key(self) -> str:
        return self.component


class Model(Event, frozen=True, kw_only=True):
    """An immutable model version in the archive."""

    TYPE: ClassVar[str] = "flyball.model.v1"
    TOPIC: ClassVar[str] = "models"

    component: str
    version: str
    model: bytes

    def key(self) -> str:
        return f"{self.component}/{self.version}"


class AuditEntry(Event, frozen=True, kw_only=True):
    """One link of the hash chain: `hash` covers `previous`, `sequence`, `time_us`, `subject`, `kind`, `facts`."""

    TYPE: ClassVar[str] = "flyball.audit.v1"
    TOPIC: ClassVar[str] = "audit"
    PATIENT: ClassVar[bool] = True

    sequence: int
    subject: str
    kind: str
    facts: dict[str, str]
    previous: str
    hash: str

    def key(self) -> str:
        return self.subject


class LedgerEntry(Event, frozen=True, kw_only=True):
    """What one hold-out arm has been worth so far: counts, mean reward, and a 95 % interval of the mean.

    `value` is the sum of the rewards, costs taken off; `cost` that of the actions, and of the looks of people that the
    loop chose; `answers` of people to what the arm asked, and the `minutes` they took.
    """

    TYPE: ClassVar[str] = "flyball.ledger.v1"
    TOPIC: ClassVar[str] = "audit"
    PATIENT: ClassVar[bool] = True

    arm: Arm
    decisions: int
    observed: int
    reward_mean: float
    reward_low: float
    reward_high: float
    recovery_s_mean: float | None = None
    recovery_s_low: float | None = None
    recovery_s_high: float | None = None
    availability_mean: float | None = None
    availability_low: float | None = None
    availability_high: float | None = None
    cost: float = 0.0
    value: float = 0.0
    answers: int = 0
    minutes: float = 0.0

    def key(self) -> str:
        return f"ledger/{self.arm}"
