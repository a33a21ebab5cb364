"""What shall happen and what became of it: proposals, verdicts, actions, outcomes, and what people say."""

import hashlib
from typing import ClassVar, Literal, get_args

import msgspec

from .base import Event

Arm = Literal["loop", "baseline", "none"]
ARMS: tuple[Arm, ...] = get_args(Arm)
"""The arms of a hold-out: the loop, the frozen baseline, and doing nothing."""
ASK = "ask"
"""What the loop may choose instead of an action: to ask a person about the likeliest one. No action has this name."""
LEVEL, REFUSED = "level", "refused"
"""Kinds of scopes in `Proposal.blocked`: what the loop's arm left out for its level, or as it was refused before."""


class HoldOut(msgspec.Struct, frozen=True, kw_only=True):
    """The seeded draw that assigned an episode to an arm, with the shares in force."""

    draw: float
    arm: Arm
    shares: dict[str, float]


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Why the loop proposed an action, as it knew at the decision; of what a person proposed there is none.

    `mode`: `best`, the likeliest choice of the loop's arm; `explored`, another was likelier; `held-out`, the episode is
    of another arm, and the rest says what the loop thinks of that. `runner_up` is the likeliest of all others, "" where
    none was eligible. `expected` are rewards, `spread` is the standard deviation of their difference (of `expected`
    without a runner-up). `parts` add to the difference, the largest three to each side: features, the `pattern` by
    itself, the `cost`, and the `constant`, what is so on average. Without rewards it was a rule on lives.
    """

    mode: Literal["best", "explored", "held-out"]
    runner_up: str = ""
    expected: float | None = None
    runner_up_expected: float | None = None
    spread: float | None = None
    parts: dict[str, float] = {}


class Proposal(Event, frozen=True, kw_only=True):
    """An action for an entity, or `none`, with the exact probability with which it was chosen.

    `probabilities` are those of the loop's arm, cover the eligible arms and add up to 1; `propensity` is the chosen
    one's probability including the hold-out draw; `features` are what the reward model saw; `blocked` what limits
    masked. `by` is `loop`, or the person who signed it, for a `reason`. `asked`: what was chosen is to ask a person
    about the action, so both probabilities are those of `ask`, and it never runs without an approval.

    The loop's arm alone leaves out what would not run, as long as another action may: in `blocked` that is
    `level:NAME` for an action that the gate keeps back at its level, and `refused:NAME` for each that was refused in
    this episode before, whether limits mask it by now or not. Such an action is not among the `probabilities`, but for
    the baseline's, there with 0, as its own arm may choose it, and for one that was refused where none else is left.
    `wanted` is what the loop's arm would have drawn, with the same draw, if every level let it run, where that is an
    action which is kept back. Nothing ran by it, so its probability is not told.
    """

    TYPE: ClassVar[str] = "flyball.proposal.v1"
    TOPIC: ClassVar[str] = "policy"

    entity: str
    episode: str
    pattern: str
    action: str
    propensity: float
    probabilities: dict[str, float]
    expires_us: int
    model: str
    features: dict[str, float] = {}
    blocked: tuple[str, ...] = ()
    hold_out: HoldOut | None = None
    parameters: dict[str, str] = {}
    group: str = ""
    by: str = "loop"
    reason: str = ""
    why: Why | None = None
    asked: bool = False
    wanted: str | None = None

    @property
    def choice(self) -> str:
        """What was chosen: the name that it has among the probabilities."""
        return ASK if self.asked else self.action

    @property
    def left_out(self) -> frozenset[str]:
        """The actions that the loop's arm left out, as they would not have run: none to which it gave a chance."""
        scopes = (scope.partition(":") for scope in self.blocked)
        names = (name for kind, _, name in scopes if kind in (LEVEL, REFUSED))
        return frozenset(name for name in names if not self.probabilities.get(name))

    @property
    def limits(self) -> tuple[str, ...]:
        """The scopes of limits that masked it, for every arm."""
        return tuple(scope for scope in self.blocked if scope.partition(":")[0] not in (LEVEL, REFUSED))

    @property
    def leaves_out_by_level(self) -> bool:
        """Whether the loop's arm left out an action for its level."""
        return any(scope.startswith(f"{LEVEL}:") for scope in self.blocked)

    @property
    def leaves_out_refused(self) -> bool:
        """Whether the loop's arm decided again after an action was refused in this episode."""
        return any(scope.startswith(f"{REFUSED}:") for scope in self.blocked)

    def hears_held_back(self, decided_by: str | None) -> bool:
        """Return whether the verdict that this check decides says which actions are held back."""
        return decided_by == "level" or self.leaves_out_by_level

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON: what an approval answers, to the last byte."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One check of the gate: what it looked at and what it found. Numbers only where the check has them."""

    name: str
    passed: bool
    detail: str = ""
    limit: str | None = None
    spent: int | None = None
    allowed: int | None = None
    next_us: int | None = None
    remedy: str | None = None


class FinalAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What would be done, to the last byte, and under which settings: what people approve and executors compare."""

    proposal: str
    entity: str
    action: str
    episode: str
    pattern: str
    settings_hash: str
    parameters: dict[str, str] = {}
    dry_run: bool = False

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Approval(Event, frozen=True, kw_only=True):
    """A person's signed answer to an escalation: to the proposal and to the action that it would become, by hashes.

    `signature` is an SSHSIG over all else, in base64, by a key of `person` (see `schemas.approvals`).
    """

    TYPE: ClassVar[str] = "flyball.approval.v1"
    TOPIC: ClassVar[str] = "approvals"

    proposal: str
    proposal_hash: str
    decision: Literal["approve", "reject"]
    person: str
    not_after_us: int
    reason: str = ""
    action_hash: str = ""
    signature: str = ""

    def key(self) -> str:
        return self.proposal


class Verdict(Event, frozen=True, kw_only=True):
    """The gate's answer to a proposal, with every check it made. `decided_by` names the first check that failed.

    `approval` is the answer of a person that led to it, `approvals` are all that speak for it; where people are asked,
    `final` is what they are asked about. `dry_run`: so says the action that came of it.

    `held_back` are all declared actions, by name, that stand below `approve` against the proposal's pattern now. It is
    said where the level decided, and where the proposal itself left actions out for their level; else it is empty.
    """

    TYPE: ClassVar[str] = "flyball.verdict.v1"
    TOPIC: ClassVar[str] = "verdicts"

    proposal: Proposal
    verdict: Literal["allow", "escalate", "deny", "shadow"]
    level: Literal["observe", "suggest", "approve", "act"]
    checks: tuple[Check, ...]
    settings_hash: str
    decided_by: str | None = None
    action: str | None = None
    retry_after_us: int | None = None
    approval: str | None = None
    approvals: tuple[str, ...] = ()
    final: FinalAction | None = None
    dry_run: bool = False
    held_back: tuple[str, ...] = ()

    def key(self) -> str:
        return self.proposal.id

    @property
    def acts(self) -> bool:
        """Whether something is to be done: an action came of it, and no dry run."""
        return self.action is not None and not self.dry_run

    @property
    def says_held_back(self) -> bool:
        """Whether it says which actions are held back, be it none."""
        return self.proposal.hears_held_back(self.decided_by)

    @property
    def left(self) -> dict[str, Check]:
        """Return the entity with the check `attempts`, where that decided and time will pass it; else nothing."""
        if self.decided_by != "attempts":
            return {}
        found = next(check for check in self.checks if check.name == "attempts")
        return {} if found.next_us is None else {self.proposal.entity: found}


class Blocked(Event, frozen=True, kw_only=True):
    """What the gate's limits block otherwise than it last said: scope such as `action:restart` to when it is free.

    0: not known. A time that is not after `time_us`: it is free now. `whole`: all that is blocked, whatever was said
    before; the gate begins with such a one, and does so again after it lost its state, or its last steps.

    `breakers`: all that are open now (`action:NAME`, `loop`) to since when; `flyball rearm` closes them.

    `left`: the entity whose trouble came again though no attempts are left to the loop, with the check `attempts`: it
    is left to people until that check's `next_us`.
    """

    TYPE: ClassVar[str] = "flyball.blocked.v1"
    TOPIC: ClassVar[str] = "verdicts"

    until_us: dict[str, int]
    whole: bool = False
    breakers: dict[str, int] = {}
    left: dict[str, Check] = {}

    def key(self) -> str:
        return "blocked"

    def bring_up_to_date(self, known: dict[str, int]) -> None:
        """Change what earlier events said is blocked (scope to time). Times that are over may stay in it."""
        if self.whole:
            known.clear()
        for scope, until_us in self.until_us.items():
            if 0 < until_us <= self.time_us:
                known.pop(scope, None)
            else:
                known[scope] = until_us
        if len(known).bit_count() == 1:  # now and then: at 1, 2, 4, 8, ... scopes
            for scope in [scope for scope, until_us in known.items() if 0 < until_us <= self.time_us]:
                del known[scope]


class LevelChange(Event, frozen=True, kw_only=True):
    """How far an action may go by itself against a pattern, where the gate itself changed that, with its numbers.

    `level` holds from now on, instead of `was`; `start` is what settings and orders say. Of the effect (reward above
    what it is `compared` with: `none`, or the baseline's action) `effect_low` is the bound that holds at every peek.
    `earned`: the level that its outcomes would carry, and a person has to order. `promotion` (`*` and `*`): nothing
    acts by itself until `until_us`. `ordered`: a person's word holds again.

    Where outcomes do not carry more than `suggest`, `detail` says why with numbers, and `remedy` what would change it:
    nothing is known of them yet (`unknown`), too few are measured (`unmeasured`), doing nothing does as well
    (`needless`), they come too late (`slow`), too rarely (`sparse`), or tell too little from chance (`noisy`).
    """

    TYPE: ClassVar[str] = "flyball.level.v1"
    TOPIC: ClassVar[str] = "verdicts"

    pattern: str
    action: str
    level: Literal["observe", "suggest", "approve", "act"]
    was: Literal["observe", "suggest", "approve", "act"]
    start: Literal["observe", "suggest", "approve", "act"]
    reason: Literal[
        "decided", "earned", "harm", "worse", "missing", "merged", "promotion", "ordered",
        "unknown", "unmeasured", "needless", "slow", "sparse", "noisy",
    ]  # fmt: skip
    detail: str = ""
    remedy: str = ""
    earned: Literal["act"] | None = None
    decided: int = 0
    outcomes: int = 0
    missing: int = 0
    reward: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    compared: str = ""
    until_us: int | None = None
    proposal: str = ""
    episode: str = ""

    def key(self) -> str:
        return f"level/{self.pattern}/{self.action}"


class Action(Event, frozen=True, kw_only=True):
    """What an executor shall do, once, before it expires. Signed by the gate's process; `id` is the action id.

    `answers` are the approvals that it rests on, as people signed them; `approvals` are their ids.
    """

    TYPE: ClassVar[str] = "flyball.action.v1"
    TOPIC: ClassVar[str] = "actions"

    entity: str
    action: str
    proposal: str
    episode: str
    pattern: str
    issued_us: int
    expires_us: int
    settings_hash: str
    parameters: dict[str, str] = {}
    dry_run: bool = False
    approvals: tuple[str, ...] = ()
    answers: tuple[Approval, ...] = ()

    def key(self) -> str:
        return self.entity

    def final(self) -> FinalAction:
        """Return what is done, as people approved it."""
        return FinalAction(
            proposal=self.proposal,
            entity=self.entity,
            action=self.action,
            episode=self.episode,
            pattern=self.pattern,
            settings_hash=self.settings_hash,
            parameters=self.parameters,
            dry_run=self.dry_run,
        )


class Outcome(Event, frozen=True, kw_only=True):
    """What became of an action: first a claim, then exactly one end. Signed by the executor.

    `refused`: never started (expired, paused, bad signature). `unknown`: started, its end is not known; never retried.
    """

    TYPE: ClassVar[str] = "flyball.outcome.v1"
    TOPIC: ClassVar[str] = "outcomes"

    action: str
    entity: str
    group: str
    executor: str
    state: Literal["claimed", "succeeded", "failed", "refused", "unknown"]
    started_us: int | None = None
    ended_us: int | None = None
    detail: str = ""

    def key(self) -> str:
        return self.action


class Control(Event, frozen=True, kw_only=True):
    """A person's signed order, addressed to every role and executor; the latest record per key counts.

    kinds: `pause` (value `paused` or `running`; target `loop`, `action:NAME`, `pattern:ID` or `entity:NAME`), `stop`,
    `rearm`, `level` (target `PATTERN/ACTION`), `keyring` and `settings` (target `loop`, value the text or its hash),
    `cancel` (target the id of an action: who has not started it must not) and `settle` (likewise: it ended, as
    `succeeded`, `failed` or `unknown`, says a person).
    """

    TYPE: ClassVar[str] = "flyball.control.v1"
    TOPIC: ClassVar[str] = "control"

    kind: Literal["pause", "stop", "rearm", "level", "keyring", "settings", "cancel", "settle"]
    target: str
    value: str
    by: str
    reason: str = ""
    until_us: int | None = None

    def key(self) -> str:
        return f"{self.kind}/{self.target}"
