"""Snapshots: whole or not at all, the newest of two slots, records that fit."""

from dataclasses import replace

import numpy as np
import pytest

from schemas import wire
from schemas.errors import RecoveryError
from schemas.events import Event
from schemas.topics import TOPICS
from streams.loop.snapshot import Snapshot, newest_snapshot, snapshot_messages

ROLE, PARTITION = "detect", 2
LARGE = np.random.default_rng(1).bytes(2_500_000)
FIRST = Snapshot(
    role=ROLE, partition=PARTITION, state=b"first", step=10, journal_offset=25, time_us=5, slot=0, code="1"
)
SECOND = replace(FIRST, state=LARGE, step=20, slot=1)


def written(snapshot: Snapshot) -> list[Event]:
    messages = snapshot_messages(snapshot, loop="lab", next_offsets={("telemetry", PARTITION): 7})
    assert all(message.partition == PARTITION for message in messages)
    assert all(len(message.value or b"") <= 910_000 for message in messages)
    assert all(len(message.value or b"") < TOPICS[message.topic].max_message_bytes for message in messages)
    return [wire.decode(message.topic, message.value, message.headers) for message in messages]


def newest(events: list[Event]) -> Snapshot | None:
    return newest_snapshot(events, role=ROLE, partition=PARTITION)


def test_a_large_state_comes_back_to_the_bit() -> None:
    events = written(SECOND)
    assert len(events) == 5
    assert newest(events) == SECOND


def test_the_newest_slot_counts() -> None:
    assert newest([*written(SECOND), *written(FIRST)]) == SECOND


def test_a_snapshot_without_one_of_its_chunks_does_not_count() -> None:
    _, *rest = written(SECOND)
    assert newest([*written(FIRST), *rest]) == FIRST


def test_a_snapshot_of_other_bytes_than_its_manifest_says_does_not_count() -> None:
    *chunks, _ = written(SECOND)
    *_, manifest = written(replace(SECOND, state=LARGE[::-1]))
    assert newest([*written(FIRST), *chunks, manifest]) == FIRST


def test_only_damaged_snapshots_are_refused_with_the_remedy() -> None:
    _, *rest = written(SECOND)
    with pytest.raises(RecoveryError, match="damaged ones; see `flyball recover`"):
        newest(rest)


def test_the_snapshot_of_another_partition_is_not_ours() -> None:
    assert newest_snapshot(written(SECOND), role=ROLE, partition=PARTITION + 1) is None


def test_no_snapshot_is_a_fresh_start() -> None:
    assert newest([]) is None


def test_of_two_of_the_same_step_the_later_one_counts_whichever_slot_it_is_in() -> None:
    again = replace(FIRST, state=b"again", slot=1)
    assert newest([*written(FIRST), *written(again)]) == again
    assert newest([*written(again), *written(FIRST)]) == FIRST
    assert newest([*written(FIRST), *written(replace(SECOND, step=9)), *written(again), *written(FIRST)]) == FIRST
