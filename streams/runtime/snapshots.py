"""Snapshots on Kafka: the records of what a worker holds, and the newest one read back from the state topic."""

from schemas import wire
from schemas.errors import ContractError, RecoveryError
from schemas.kafka import headers_of
from schemas.raw import Message
from streams.loop.snapshot import STATE, Snapshot, newest_snapshot, snapshot_messages
from streams.runtime.held import Held
from streams.runtime.log_reader import PartitionReader
from streams.runtime.spec import WorkerSpec


def messages_at(spec: WorkerSpec, *, partition: int, held: Held) -> list[Message]:
    """Return the records of a snapshot of what is held now; they belong in one transaction."""
    snapshot = Snapshot(
        role=spec.role,
        partition=partition,
        state=held.role.snapshot(),
        step=held.step,
        journal_offset=held.journal_offset,
        time_us=held.time_us,
        slot=held.slot,
        code=spec.code,
        state_settings=spec.state_settings,
    )
    return snapshot_messages(snapshot, loop=spec.loop, next_offsets=held.role.next_offsets())


def newest(spec: WorkerSpec, *, partition: int) -> Snapshot | None:
    """Read the state topic and return the newest snapshot that is whole, or None when there never was one.

    Raises `RecoveryError` when there are snapshots but none of them is whole.
    """
    topic = f"{STATE}-{spec.role}"
    with PartitionReader(spec.connection, topic=spec.full_name(topic), partition=partition) as reader:
        records = (wire.decode(topic, record.value(), headers_of(record)) for record in reader.to_end())
        try:
            return newest_snapshot(records, role=spec.role, partition=partition)
        except ContractError as error:
            raise RecoveryError(
                f"{topic}/{partition}: expected snapshots, got {error}; see `flyball recover`"
            ) from error
