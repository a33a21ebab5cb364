"""Every event of the loop, as a msgspec struct: the only source of truth for JSON Schema, AsyncAPI and the wire.

Times are integers in microseconds since the Unix epoch, UTC (`*_us`). Evolution: add optional fields only; a break is a
new class with a `.v2` type. `TYPE` is the CloudEvents type, `TOPIC` the registry name of the topic it travels on,
`key()` its Kafka key.
"""

from .base import Event, Telemetry, TelemetryFrame
from .decisions import (
    ARMS,
    ASK,
    LEVEL,
    REFUSED,
    Action,
    Approval,
    Arm,
    Blocked,
    Check,
    Control,
    FinalAction,
    HoldOut,
    LevelChange,
    Outcome,
    Proposal,
    Verdict,
    Why,
)
from .insights import (
    Census,
    Drift,
    Episode,
    Loss,
    Measurement,
    MetricSignature,
    Overflow,
    Pattern,
    Recurrence,
    Sequence,
    Storm,
    StormMember,
)
from .learning import AuditEntry, Experience, LedgerEntry, Model, Promotion
from .records import DeadLetter, InputRange, JournalEntry, Presence, SnapshotChunk, SnapshotManifest

NOVEL = "novel"
"""The pattern of an episode that resembles nothing recurring."""
NONE = "none"
"""The action that does nothing; always an arm."""

EVENT_TYPES: dict[str, type[Event]] = {
    cls.TYPE: cls
    for cls in (
        TelemetryFrame,
        Episode,
        Measurement,
        Census,
        Drift,
        Overflow,
        Loss,
        Pattern,
        Recurrence,
        Storm,
        Sequence,
        Proposal,
        Verdict,
        Blocked,
        LevelChange,
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

__all__ = [
    "ARMS",
    "ASK",
    "EVENT_TYPES",
    "LEVEL",
    "NONE",
    "NOVEL",
    "REFUSED",
    "Action",
    "Approval",
    "Arm",
    "AuditEntry",
    "Blocked",
    "Census",
    "Check",
    "Control",
    "DeadLetter",
    "Drift",
    "Episode",
    "Event",
    "Experience",
    "FinalAction",
    "HoldOut",
    "InputRange",
    "JournalEntry",
    "LedgerEntry",
    "LevelChange",
    "Loss",
    "Measurement",
    "MetricSignature",
    "Model",
    "Outcome",
    "Overflow",
    "Pattern",
    "Presence",
    "Promotion",
    "Proposal",
    "Recurrence",
    "Sequence",
    "SnapshotChunk",
    "SnapshotManifest",
    "Storm",
    "StormMember",
    "Telemetry",
    "TelemetryFrame",
    "Verdict",
    "Why",
]
