"""Taking a whole run again from Kafka: every journal, on inputs read back by offset."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import msgspec

from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.events import AuditEntry, JournalEntry
from schemas.kafka import make_admin
from schemas.keyfiles import load_trust
from schemas.topics import TOPICS
from streams.app import make_decoded_role
from streams.loop.account import verify_chain
from streams.operate.loop_place import LoopPlace
from streams.operate.runs import KafkaRun, first_trust
from streams.operate.topic_reader import TopicReader
from streams.replay import Replayed, replay_run

AUDITOR = "improve"
"""The role that writes the audit."""


class RoleReplay(msgspec.Struct, frozen=True, kw_only=True):
    """What the replay of one role found, over all its partitions."""

    role: str
    steps: int
    differences: int
    remark: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One step whose outputs did not come out again."""

    role: str
    partition: int
    step: int
    detail: str


class AuditChain(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit chain is worth: `broken` says where it breaks; `links` are those that hold."""

    links: int
    broken: str | None = None

    def __str__(self) -> str:
        return f"{self.links} links, " + ("chain intact" if self.broken is None else f"chain broken: {self.broken}")


class RunReplay(msgspec.Struct, frozen=True, kw_only=True):
    """What the replay of a run found; `audit` is None where the role that writes it was not asked for."""

    steps: int
    differences: int
    roles: tuple[RoleReplay, ...]
    mismatches: tuple[Difference, ...]
    audit: AuditChain | None = None

    @property
    def proves_the_run(self) -> bool:
        """Whether every output came out again and the audit chain holds."""
        return not self.differences and (self.audit is None or self.audit.broken is None)


def replay_loop(place: LoopPlace, roles: Sequence[str]) -> RunReplay:
    """Replay the journals of some roles; raises `BrokerError`, and `SettingsError` where keys are missing."""
    connection = place.connection()
    lines: list[RoleReplay] = []
    mismatches: list[Difference] = []
    for role in roles:
        found = [
            _replay_partition(place, connection, role, partition)
            for partition in range(_partitions(connection, place.loop, role))
        ]
        missing = [replayed.missing for replayed in found if replayed.missing]
        mismatches += [
            Difference(role=one.role, partition=one.partition, step=one.step, detail=one.detail)
            for replayed in found
            for one in replayed.mismatches
        ]
        lines.append(
            RoleReplay(
                role=role,
                steps=sum(replayed.steps for replayed in found),
                differences=sum(len(replayed.mismatches) for replayed in found),
                remark=f" (ended early: {missing[0]})" if missing else "",
            )
        )
    return RunReplay(
        steps=sum(line.steps for line in lines),
        differences=len(mismatches),
        roles=tuple(lines),
        mismatches=tuple(mismatches),
        audit=audit_chain(_audit(TopicReader(connection, place.loop))) if AUDITOR in roles else None,
    )


def audit_chain(entries: Iterable[AuditEntry]) -> AuditChain:
    """Follow the chain from its first link to its last, or to where it breaks."""
    numbers = count()
    broken = verify_chain(entry for entry, _ in zip(entries, numbers, strict=False))
    links = next(numbers)
    return AuditChain(links=links if broken is None else links - 1, broken=broken)


def _audit(reader: TopicReader) -> Iterator[AuditEntry]:
    for _, event in reader.events("audit"):
        if isinstance(event, AuditEntry):
            yield event


def _replay_partition(place: LoopPlace, connection: KafkaConnection, role: str, partition: int) -> Replayed:
    audience = place.audience()
    fresh = make_decoded_role(
        place.settings,
        role=role,
        partition=partition,
        trust=first_trust(TopicReader(connection, place.loop), today=load_trust(place.keys), audience=audience),
        audience=audience,
    )
    with KafkaRun(connection, place.loop) as run:
        entries = _journal(TopicReader(connection, place.loop), role, partition)
        return replay_run(fresh, entries, run.read_range, loop=place.loop)


def _journal(reader: TopicReader, role: str, partition: int) -> Iterator[JournalEntry]:
    for record, event in reader.events(f"journal-{role}"):
        if record.partition == partition and isinstance(event, JournalEntry):
            yield event


def _partitions(connection: KafkaConnection, loop: str, role: str) -> int:
    full_name = TOPICS[f"journal-{role}"].full_name(loop)
    known = make_admin(connection).list_topics(timeout=10).topics
    if full_name not in known:
        raise BrokerError(f"topic {full_name} does not exist; `flyball topics apply` creates it")
    return len(known[full_name].partitions)
