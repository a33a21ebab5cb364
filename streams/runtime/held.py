"""The state of one partition in memory, and its place in the journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.errors import RecoveryError
from streams.loop.role import Role


@dataclass(slots=True, kw_only=True)
class Held:
    """The state of one partition in memory, and its place in the journal."""

    role: Role
    step: int = 0
    """Number of the next step."""
    journal_offset: int = 0
    """Offset behind the last entry that the state holds."""
    time_us: int = 0
    """Loop time of the last step."""
    slot: int = 0
    """Snapshot slot to write next."""
    replay_s: float = 0.0
    """What folding the journal behind the newest snapshot again would take."""
    behind_snapshot: int = 0
    """Steps since the newest snapshot."""
    unfit: Mapping[str, RecoveryError] = field(default_factory=dict)
    """The processors that could not take their part of a snapshot and begin afresh, by name, and why."""
