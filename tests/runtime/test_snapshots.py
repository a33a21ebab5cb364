"""Snapshots: whole or not at all, the newest of two slots, records that fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas import wire
from schemas.connection import KafkaConnection
from schemas.errors import RecoveryError
from schemas.events import Event, InputRange
from schemas.topics import TOPICS
from streams.runtime.snapshots import Snapshot, messages_of, newest_of
from streams.runtime.spec import WorkerSpec
from tests.kafka.subject import make_role

SPEC = WorkerSpec(
    loop="lab",
    role="detect",
    connection=KafkaConnection(),
    instance="w0",
    partitions=4,
    make_role=lambda partition: make_role("lab", partition),
    sign={},
    settings_hash="",
    code="1",
    data=Path("unused"),
)
LARGE = np.random.default_rng(1).bytes(2_500_000)
FIRST = Snapshot(state=b"first", step=10, journal_offset=25, time_us=5, slot=0, code="1")
SECOND = replace(FIRST, state=LARGE, step=20, slot=1)


def written(snapshot: Snapshot) -> list[Event]:
    ranges = (InputRange(topic="telemetry", partition=2, start=7, stop=7),)
    messages = messages_of(snapshot, spec=SPEC, partition=2, next_offsets=ranges)
    assert all(message.partition == 2 for message in messages)
    assert all(len(message.value or b"") <= 910_000 for message in messages)
    assert all(len(message.value or b"") < TOPICS[message.topic].max_message_bytes for message in messages)
    return [wire.decode(message.topic, message.value, message.headers) for message in messages]


def test_a_large_state_comes_back_to_the_bit() -> None:
    events = written(SECOND)
    assert len(events) == 5
    assert newest_of(events) == SECOND


def test_the_newest_slot_counts() -> None:
    assert newest_of([*written(SECOND), *written(FIRST)]) == SECOND


def test_a_snapshot_without_one_of_its_chunks_does_not_count() -> None:
    _, *rest = written(SECOND)
    assert newest_of([*written(FIRST), *rest]) == FIRST


def test_a_snapshot_of_other_bytes_than_its_manifest_says_does_not_count() -> None:
    *chunks, _ = written(SECOND)
    *_, manifest = written(replace(SECOND, state=LARGE[::-1]))
    assert newest_of([*written(FIRST), *chunks, manifest]) == FIRST


def test_only_damaged_snapshots_are_refused() -> None:
    _, *rest = written(SECOND)
    with pytest.raises(RecoveryError, match="damaged"):
        newest_of(rest)


def test_no_snapshot_is_a_fresh_start() -> None:
    assert newest_of([]) is None
