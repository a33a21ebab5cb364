"""What all events share, and telemetry, which has no envelope of its own."""

from datetime import datetime
from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What all events but telemetry share: a deterministic `id`, loop time, and the inputs that caused it.

    `causes` are positions `topic/partition/offset` (registry names); a reader waits until it has folded them.
    The garbage collector need not look at events (`gc=False`, inherited): frozen values never refer to themselves.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    PATIENT: ClassVar[bool] = False
    """Whether nobody acts on it at once: it may wait a tenth of a second, to be written together with others."""

    id: str
    time_us: int
    causes: tuple[str, ...] = ()

    def key(self) -> str:
        """Return the Kafka key; events of one key keep their order."""
        return self.id


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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
