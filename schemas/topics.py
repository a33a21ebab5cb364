"""The topic registry: one table that code, documents, access control and `flyball topics` share."""

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
MIB = 1_048_576

Reader = Literal[
    "ingest",
    "detect",
    "decide",
    "gate",
    "improve",
    "executor",
    "notifier",
    "console",
    "cli",
    "producer",
    "person",
    "foreign",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic of a loop: its full Kafka name is `LOOP.name`. `retention_ms` -1 keeps for ever."""

    name: str
    key: str
    partitions: int
    written_by: tuple[Reader, ...]
    read_by: tuple[Reader, ...]
    retention_ms: int
    cleanup: Literal["delete", "compact"] = "delete"
    max_message_bytes: int = MIB
    segment_bytes: int | None = None
    append_time: bool = False
    scales: bool = False
    """Whether `partitions` is a default that the operator may change before the topic exists."""

    def full_name(self, loop: str) -> str:
        """Return the Kafka name of this topic for one loop."""
        return f"{loop}.{self.name}"

    def config(self) -> dict[str, str]:
        """Return the topic-level Kafka settings."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(self.retention_ms),
        }
        if self.segment_bytes is not None:
            settings["segment.bytes"] = str(self.segment_bytes)
        if self.append_time:
            settings["message.timestamp.type"] = "LogAppendTime"
        return settings


SOURCE_BYTES = 2 * MIB + 65_536
"""Largest source message that the broker takes; readers refuse more than 1 MiB as a dead letter."""
ROLES = ("ingest", "detect", "decide", "gate", "improve")
_WEEK = 7 * DAY_MS
_WORKERS: tuple[Reader, ...] = ("ingest", "detect", "decide", "gate", "improve")


def _table() -> tuple[Topic, ...]:
    public = (
        Topic(
            name="raw",
            key="any",
            partitions=4,
            scales=True,
            written_by=("foreign",),
            read_by=("ingest", "cli"),
            retention_ms=3 * DAY_MS,
            max_message_bytes=SOURCE_BYTES,
        ),
        Topic(
            name="telemetry",
            key="entity",
            partitions=4,
            scales=True,
            written_by=("producer", "ingest"),
            read_by=("detect", "improve", "cli"),
            retention_ms=3 * DAY_MS,
            max_message_bytes=SOURCE_BYTES,
        ),
        Topic(
            name="insights",
            key="entity",
            partitions=1,
            # ingest tells of telemetry that was lost, decide of drifts, gate of outcomes that it could not wait for
            written_by=("detect", "ingest", "decide", "gate"),
            read_by=("decide", "gate", "improve", "console", "cli"),
            retention_ms=4 * _WEEK,
        ),
        Topic(
            name="patterns",
            key="pattern",
            partitions=1,
            written_by=("decide",),
            read_by=("gate", "improve", "console", "cli"),
            retention_ms=365 * DAY_MS,
        ),
        Topic(
            name="policy",
            key="proposal",
            partitions=1,
            written_by=("decide", "person"),
            read_by=("gate", "improve", "console", "cli"),
            retention_ms=4 * _WEEK,
        ),
        Topic(
            name="approvals",
            key="proposal",
            partitions=1,
            written_by=("person",),
            read_by=("gate", "improve", "cli"),
            retention_ms=365 * DAY_MS,
        ),
        Topic(
            name="control",
            key="kind/target",
            partitions=1,
            append_time=True,
            written_by=("person",),
            read_by=(*_WORKERS, "executor", "console", "cli"),
            retention_ms=-1,
        ),
        Topic(
            name="verdicts",
            key="proposal",
            partitions=1,
            written_by=("gate",),
            read_by=("decide", "improve", "notifier", "console", "cli"),
            retention_ms=365 * DAY_MS,
        ),
        Topic(
            name="actions",
            key="entity",
            partitions=2,
            scales=True,
            written_by=("gate",),
            read_by=("executor", "cli"),
            retention_ms=3 * DAY_MS,
        ),
        Topic(
            name="outcomes",
            key="action",
            partitions=1,
            written_by=("executor",),
            read_by=("executor", "decide", "gate", "improve", "cli"),
            retention_ms=4 * _WEEK,
        ),
        Topic(
            name="experience",
            key="proposal",
            partitions=1,
            written_by=("decide",),
            read_by=("decide", "gate", "improve", "console", "cli"),  # decide where its policy must learn again
            retention_ms=365 * DAY_MS,
        ),
        Topic(
            name="promotions",
            key="component",
            partitions=1,
            written_by=("improve", "person"),
            read_by=("detect", "decide", "gate", "improve"),
            retention_ms=-1,
        ),
        Topic(
            name="models",
            key="component/version",
            partitions=1,
            written_by=("improve",),
            read_by=("improve", "cli"),
            retention_ms=365 * DAY_MS,
        ),
        Topic(
            name="audit",
            key="subject",
            partitions=1,
            written_by=("improve",),
            read_by=("cli", "console"),
            retention_ms=-1,
        ),
        Topic(
            name="presence",
            key="instance",
            partitions=1,
            written_by=(*_WORKERS, "executor"),
            read_by=("cli", "console"),
            retention_ms=DAY_MS,
            cleanup="compact",
        ),
        Topic(
            name="dead-letters",
            key="original",
            partitions=1,
            written_by=(*_WORKERS, "executor"),
            read_by=("cli",),
            retention_ms=4 * _WEEK,
            max_message_bytes=2 * SOURCE_BYTES,
        ),
    )
    per_role: list[Topic] = []
    for role in ROLES:
        partitions = 4 if role in ("ingest", "detect") else 1
        scales = partitions > 1
        reader: tuple[Reader, ...] = (role, "cli")  # type: ignore[assignment]  # ROLES are all readers
        writer: tuple[Reader, ...] = (role,)  # type: ignore[assignment]
        per_role.append(
            Topic(
                name=f"journal-{role}",
                key="step",
                partitions=partitions,
                scales=scales,
                written_by=writer,
                read_by=reader,
                retention_ms=5 * _WEEK,
                append_time=True,
            )
        )
        per_role.append(
            Topic(
                name=f"state-{role}",
                key="slot",
                partitions=partitions,
                scales=scales,
                written_by=writer,
                read_by=reader,
                retention_ms=-1,
                cleanup="compact",
                segment_bytes=64 * MIB,
            )
        )
    return (*public, *per_role)


TOPICS: dict[str, Topic] = {topic.name: topic for topic in _table()}

GROUP_SOURCES: dict[str, tuple[str, ...]] = {
    "ingest": ("raw",),
    "detect": ("telemetry",),
    "decide": ("insights", "verdicts", "outcomes"),
    "gate": ("insights", "patterns", "policy", "approvals", "outcomes", "experience", "promotions"),
    "improve": ("insights", "patterns", "policy", "approvals", "verdicts", "outcomes", "experience"),
}
"""What each role reads as a consumer group; a partition number of all of them belongs to one worker."""
SHARED_SOURCES = ("control",)
"""What every partition of every role reads by itself, without a group."""
