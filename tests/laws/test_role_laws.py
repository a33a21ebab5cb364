import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from schemas.raw import RawBatch
from schemas.topics import ROLES
from streams.loop.role import Role
from streams.loop.step import StepOutput, take_step
from tests.laws.recorded import Step, fresh_role, steps_of
from tests.simulation.loop import LOOP

pytestmark = pytest.mark.parametrize("name", ROLES)
DRAWS = range(2)


def take(role: Role, step: Step) -> StepOutput:
    return take_step(role, step.batches, step.now, loop=LOOP)


def test_same_input_gives_same_bytes(name: str) -> None:
    one, other = fresh_role(name), fresh_role(name)
    for step in steps_of(name):
        assert take(one, step).digest == take(other, step).digest
    assert one.snapshot() == other.snapshot()


@pytest.mark.parametrize("draw", DRAWS)
def test_any_split_of_the_records_gives_equal_messages_and_snapshot(name: str, draw: int) -> None:
    whole, parted = fresh_role(name), fresh_role(name)
    chance = random.Random(draw)
    for step in steps_of(name):
        expected = take(whole, step).messages
        pieces = [piece for batch in step.batches for piece in split(batch, chance)]
        taken = [take(parted, Step(step.now, (piece,))) for piece in pieces] or [take(parted, step)]
        assert tuple(message for output in taken for message in output.messages) == expected
    assert parted.snapshot() == whole.snapshot()


@pytest.mark.parametrize("draw", DRAWS)
def test_a_restored_role_continues_alike(name: str, draw: int) -> None:
    living, restored = fresh_role(name), fresh_role(name)
    chance = random.Random(draw)
    for step in steps_of(name):
        if chance.random() < 0.2:
            snapshot = restored.snapshot()
            restored = fresh_role(name)
            restored.restore(snapshot)
        assert take(restored, step).digest == take(living, step).digest
    assert restored.snapshot() == living.snapshot()


def split(batch: RawBatch, chance: random.Random) -> Iterator[RawBatch]:
    """Cut a batch into pieces."""
    cuts = sorted({0, len(batch), *(chance.randrange(len(batch)) for _ in range(3))})
    for start, stop in pairwise(cuts):
        yield RawBatch(
            topic=batch.topic,
            partition=batch.partition,
            offsets=batch.offsets[start:stop],
            keys=batch.keys[start:stop],
            values=batch.values[start:stop],
            headers=batch.headers[start:stop],
        )
