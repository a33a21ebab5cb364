"""Every event of the loop, as a msgspec struct: the only source of truth for JSON Schema, AsyncAPI and the wire.

Times are integers in microseconds since the Unix epoch, UTC (`*_us`). Evolution: add optional fields only; a break is a
new class with a `.v2` type. `TYPE` is the CloudEvents type, `TOPIC` the registry name of the topic it travels on,
`key()` its Kafka key.
"""

import hashlib
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

NOVEL = "novel"
"""The pattern of an episode that resembles nothing recurring."""
NONE = "none"
"""The action that does nothing; always an arm."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all events but telemetry share: a deterministic `id`, loop time, and the inputs that caused it.

    `causes` are positions `topic/partition/offset` (registry names); a reader waits until it has folded them.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    id: str
    time_us: int
    causes: tuple[str, ...] = ()

    def key(self) -> str:
        """Return the Kafka key; events of one key keep their order."""
        return self.id


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sample of one entity. `time`: microseconds since the epoch, or an RFC 3339 string with an offset."""

    TYPE: ClassVar[str] = "flyball.telemetry.v1"
    TOPIC: ClassVar[str] = "telemetry"

    entity: str
    time: int | datetime
    values: dict[str, float] = {}
    event: str | None = None
    attributes: dict[str, str] = {}

    def key(self) -> str:
        """Return the entity: one entity always goes to one partition."""
        return self.entity


class TelemetryFrame(Event, frozen=True, kw_only=True):
    """Many samples for one partition as an Arrow IPC stream (`entity`, `time`, one float64 column per metric)."""

    TYPE: ClassVar[str] = "flyball.telemetry-frame.v1"
    TOPIC: ClassVar[str] = "telemetry"

    partition: int
    stream: bytes


class MetricSignature(msgspec.Struct, frozen=True, kw_only=True):
    """How one metric left its normal over the onset windows, in robust standard deviations."""

    mean: float
    peak: float
    trend: float


class Episode(Event, frozen=True, kw_only=True):
    """One entity left its normal: `opened`, `onset` (the first windows are complete: recognise now), `closed`.

    `shares` name the metrics that made it and add up to 1; `signature` holds the onset, per metric.
    """

    TYPE: ClassVar[str] = "flyball.episode.v1"
    TOPIC: ClassVar[str] = "insights"

    episode: str
    entity: str
    phase: Literal["opened", "onset", "closed"]
    opened_us: int
    windows: int
    severity: float
    confidence: float
    group: str = ""
    shares: dict[str, float] = {}
    signature: dict[str, MetricSignature] = {}
    tokens: tuple[str, ...] = ()
    state: dict[str, float] = {}
    closed_us: int | None = None

    def key(self) -> str:
        return self.entity


class Measurement(Event, frozen=True, kw_only=True):
    """The summary of one window of an entity in, or just after, an episode: what outcomes are computed from."""

    TYPE: ClassVar[str] = "flyball.measurement.v1"
    TOPIC: ClassVar[str] = "insights"

    entity: str
    episode: str
    start_us: int
    end_us: int
    samples: int
    abnormal: bool
    score: float
    values: dict[str, float]

    def key(self) -> str:
        return self.entity


class Census(Event, frozen=True, kw_only=True):
    """How many entities of one partition and group are live, and which of them are abnormal."""

    TYPE: ClassVar[str] = "flyball.census.v1"
    TOPIC: ClassVar[str] = "insights"

    partition: int
    group: str
    live: int
    abnormal: int

    def key(self) -> str:
        return f"{self.group}/{self.partition}"


class Drift(Event, frozen=True, kw_only=True):
    """A stream of inputs, scores or rewards changed its distribution for good."""

    TYPE: ClassVar[str] = "flyball.drift.v1"
    TOPIC: ClassVar[str] = "insights"

    subject: str
    before: float
    after: float

    def key(self) -> str:
        return self.subject


class Loss(Event, frozen=True, kw_only=True):
    """Inputs that retention removed before they were folded: offsets `start` (included) to `stop` (excluded)."""

    TYPE: ClassVar[str] = "flyball.loss.v1"
    TOPIC: ClassVar[str] = "insights"

    source: str
    partition: int
    start: int
    stop: int

    def key(self) -> str:
        return f"{self.source}/{self.partition}"


class Pattern(Event, frozen=True, kw_only=True):
    """A cluster of onset signatures: `candidate` until support 3, then `recurring`, then perhaps `faded`."""

    TYPE: ClassVar[str] = "flyball.pattern.v1"
    TOPIC: ClassVar[str] = "patterns"

    pattern: str
    name: str
    status: Literal["candidate", "recurring", "faded", "merged"]
    support: int
    signature: dict[str, MetricSignature]
    first_us: int
    last_us: int
    episodes: tuple[str, ...] = ()
    alias_of: str | None = None
    period_us: int | None = None
    next_us: int | None = None
    duration_us: int | None = None

    def key(self) -> str:
        return self.pattern


class Recurrence(Event, frozen=True, kw_only=True):
    """This episode is pattern P again (or `novel`), decided at its onset."""

    TYPE: ClassVar[str] = "flyball.recurrence.v1"
    TOPIC: ClassVar[str] = "patterns"

    entity: str
    episode: str
    pattern: str
    candidate: str
    support: int
    distance: float
    novelty: float
    severity: float
    group: str = ""
    opened_us: int = 0
    signature: dict[str, MetricSignature] = {}
    state: dict[str, float] = {}

    def key(self) -> str:
        return self.pattern


class HoldOut(msgspec.Struct, frozen=True, kw_only=True):
    """The seeded draw that assigned an episode to an arm, with the shares in force."""

    draw: float
    arm: Literal["loop", "baseline", "none"]
    shares: dict[str, float]


class Proposal(Event, frozen=True, kw_only=True):
    """An action for an entity, or `none`, with the exact probability with which it was chosen.

    `probabilities` cover the eligible arms and add up to 1; `propensity` is the chosen one's probability including the
    hold-out draw; `features` are what the reward model saw; `blocked` what limits masked.
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

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON: what an approval answers, to the last byte."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check of the gate: what it looked at and what it found. Numbers only where the check has them."""

    name: str
    passed: bool
    detail: str = ""
    limit: str | None = None
    spent: int | None = None
    allowed: int | None = None
    next_us: int | None = None
    remedy: str | None = None


class Verdict(Event, frozen=True, kw_only=True):
    """The gate's answer to a proposal, with every check it made. `decided_by` names the first check that failed."""

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

    def key(self) -> str:
        return self.proposal.id


class Blocked(Event, frozen=True, kw_only=True):
    """What the gate's limits block now, and until when (0: not known): scope such as `action:restart` to time."""

    TYPE: ClassVar[str] = "flyball.blocked.v1"
    TOPIC: ClassVar[str] = "verdicts"

    until_us: dict[str, int]

    def key(self) -> str:
        return "blocked"


class Action(Event, frozen=True, kw_only=True):
    """What an executor shall do, once, before it expires. Signed by the gate's process; `id` is the action id."""

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

    def key(self) -> str:
        return self.entity


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


class Approval(Event, frozen=True, kw_only=True):
    """A person's signed answer to an escalation (`proposal` and the hash of the action it would become)."""

    TYPE: ClassVar[str] = "flyball.approval.v1"
    TOPIC: ClassVar[str] = "approvals"

    proposal: str
    proposal_hash: str
    decision: Literal["approve", "reject"]
    person: str
    not_after_us: int
    reason: str = ""

    def key(self) -> str:
        return self.proposal


class Control(Event, frozen=True, kw_only=True):
    """A person's signed order, addressed to every role and executor; the latest record per key counts.

    kinds: `pause` (value `paused` or `running`; target `loop`, `action:NAME`, `pattern:ID` or `entity:NAME`), `stop`,
    `rearm`, `level` (target `PATTERN/ACTION`), `keyring` and `settings` (target `loop`, value the text or its hash).
    """

    TYPE: ClassVar[str] = "flyball.control.v1"
    TOPIC: ClassVar[str] = "control"

    kind: Literal["pause", "stop", "rearm", "level", "keyring", "settings"]
    target: str
    value: str
    by: str
    reason: str = ""
    until_us: int | None = None

    def key(self) -> str:
        return f"{self.kind}/{self.target}"


class Experience(Event, frozen=True, kw_only=True):
    """Proposal, verdict and outcome joined: what the policy learns from, exactly once.

    `effective` is the action that really happened (`none` when nothing ran) and `effective_probability` its
    probability. `late` retracts `retracted_reward` and corrects it. Reward is in [0, 1] less the action's cost.
    """

    TYPE: ClassVar[str] = "flyball.experience.v1"
    TOPIC: ClassVar[str] = "experience"

    proposal: str
    entity: str
    episode: str
    pattern: str
    arm: Literal["loop", "baseline", "none"]
    state: Literal["observed", "defaulted", "late", "censored", "unobservable"]
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
    """One link of the hash chain: `hash` covers `previous`, `sequence`, `subject`, `kind` and `facts`."""

    TYPE: ClassVar[str] = "flyball.audit.v1"
    TOPIC: ClassVar[str] = "audit"

    sequence: int
    subject: str
    kind: str
    facts: dict[str, str]
    previous: str
    hash: str

    def key(self) -> str:
        return self.subject


class LedgerEntry(Event, frozen=True, kw_only=True):
    """What one hold-out arm has been worth so far: counts, mean reward, and a 95 % interval of the mean."""

    TYPE: ClassVar[str] = "flyball.ledger.v1"
    TOPIC: ClassVar[str] = "audit"

    arm: Literal["loop", "baseline", "none"]
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

    def key(self) -> str:
        return f"ledger/{self.arm}"


class Presence(Event, frozen=True, kw_only=True):
    """A worker or executor says that it lives, what it does, and whether it has heard `control`."""

    TYPE: ClassVar[str] = "flyball.presence.v1"
    TOPIC: ClassVar[str] = "presence"

    instance: str
    role: str
    version: str
    pid: int
    host: str
    state: Literal["running", "paused", "stopping"]
    control_heard_us: int
    control_offset: int
    partitions: tuple[int, ...] = ()
    step: int = 0
    lag: int = 0
    in_flight: tuple[str, ...] = ()
    settings_hash: str = ""

    def key(self) -> str:
        return self.instance


class InputRange(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Offsets `start` (included) to `stop` (excluded) of one source partition."""

    topic: str
    partition: int
    start: int
    stop: int


class JournalEntry(Event, frozen=True, kw_only=True):
    """One step: its loop time, its inputs in fold order (none: a timer step), and the digest of its outputs."""

    TYPE: ClassVar[str] = "flyball.step.v1"
    TOPIC: ClassVar[str] = "journal"

    role: str
    partition: int
    step: int
    control_heard_us: int
    inputs: tuple[InputRange, ...]
    outputs: int
    digest: str
    code: str
    settings_hash: str
    instance: str
    lost: tuple[InputRange, ...] = ()
    """Inputs that retention removed before they were folded; the outputs of such a step are its `Loss` events."""

    def key(self) -> str:
        return str(self.step)


class SnapshotChunk(Event, frozen=True, kw_only=True):
    """A piece of a compressed snapshot, at most 900 kB, in one of two alternating slots."""

    TYPE: ClassVar[str] = "flyball.snapshot-chunk.v1"
    TOPIC: ClassVar[str] = "state"

    slot: int
    partition: int
    number: int
    data: bytes

    def key(self) -> str:
        return f"{self.partition}/{self.slot}/{self.number}"


class SnapshotManifest(Event, frozen=True, kw_only=True):
    """The last record of a snapshot: valid only when all chunks are there and hash to `digest` (SHA-256)."""

    TYPE: ClassVar[str] = "flyball.snapshot.v1"
    TOPIC: ClassVar[str] = "state"

    slot: int
    partition: int
    chunks: int
    digest: str
    step: int
    journal_offset: int
    next_offsets: tuple[InputRange, ...]
    code: str

    def key(self) -> str:
        return f"{self.partition}/{self.slot}/manifest"


class DeadLetter(Event, frozen=True, kw_only=True):
    """A record (or one row of it) that could not be used, with its original bytes, headers, origin and reason."""

    TYPE: ClassVar[str] = "flyball.dead-letter.v1"
    TOPIC: ClassVar[str] = "dead-letters"

    origin_topic: str
    origin_partition: int
    origin_offset: int
    reason: str
    detail: str
    role: str
    row: int | None = None
    original_key: bytes | None = None
    original_value: bytes | None = None
    original_headers: tuple[tuple[str, bytes | None], ...] = ()

    def key(self) -> str:
        return f"{self.origin_topic}/{self.origin_partition}/{self.origin_offset}"


EVENT_TYPES: dict[str, type[Event]] = {
    cls.TYPE: cls
    for cls in (
        TelemetryFrame,
        Episode,
        Measurement,
        Census,
        Drift,
        Loss,
        Pattern,
        Recurrence,
        Proposal,
        Verdict,
        Blocked,
        Action,
        Outcome,
        Approval,
        Control,
        Experience,
        Promotion,
        Model,
        AuditEntry,
        LedgerEntry,
        Presence,
        JournalEntry,
        SnapshotChunk,
        SnapshotManifest,
        DeadLetter,
    )
}
"""Every event type but `Telemetry` (which has no envelope of its own), by its CloudEvents type."""
