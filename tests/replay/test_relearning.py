"""A simulated worker of `decide` after an upgrade: the policy's state does not fit, what it learned is kept."""

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import msgspec
import pytest

from schemas.errors import RecoveryError
from schemas.events import Experience, Proposal
from schemas.ids import seed_of
from streams.learners.reward_model import RewardModel
from streams.loop.packing import Bytes
from streams.loop.policy.learning import teach_again
from streams.loop.policy.reward_models import reward_model
from streams.loop.policy.state import STATE_VERSION, State
from streams.loop.role import Role
from streams.loop.snapshot import Snapshot, newest_snapshot, next_slot, snapshot_messages
from streams.replay import Driver, MemoryLog
from streams.replay.reading import read_events
from streams.replay.worker import Point, Worker, WorkerPlace
from tests.replay.former import former_state
from tests.simulation.judged import TELEMETRY_EVENTS, driver_of
from tests.simulation.loop import ACTIONS, LOOP, POLICY

SEED = 4
"""One in which people may not be asked."""
TAKEN = ("in-takeover", "in-snapshot")


class Upgrade:
    """A run whose worker of `decide` has stopped, and its heirs."""

    def __init__(self) -> None:
        assert seed_of(LOOP, SEED) % 3, "no price for asking"
        self.driver: Driver = driver_of(SEED)
        self.driver.run(telemetry_events=TELEMETRY_EVENTS // 2)
        (cell,) = [cell for cell in self.driver.cells if cell.place.role == "decide"]
        self.place: WorkerPlace = cell.place
        self.log: MemoryLog = self.driver.log
        assert cell.worker is not None
        assert cell.life is not None
        cell.worker.stopping = True
        assert list(cell.life)[-1] == "stopped"
        self.stopped: Role = cell.worker.role

    def newest(self) -> Snapshot:
        records = (event for _, event in read_events(self.log, "state-decide", 0, 0))
        found = newest_snapshot(records, role="decide", partition=0)
        assert found is not None
        return found

    def leave(self, state: bytes, **changes: int) -> None:
        """Write a snapshot in the place of the last one."""
        last = self.newest()
        snapshot = Snapshot(
            role="decide",
            partition=0,
            state=state,
            step=last.step,
            journal_offset=changes.get("journal_offset", last.journal_offset),
            time_us=last.time_us,
            slot=next_slot(last.slot),
            code="former",
        )
        producer = self.log.producer(self.place.transactional_id)
        producer.send(snapshot_messages(snapshot, loop=LOOP, next_offsets=self.stopped.next_offsets()))
        producer.commit()

    def heir(self) -> tuple[Worker, Iterator[Point]]:
        worker = Worker(place=self.place, log=self.log, clock=self.driver.clock, instance="heir")
        return worker, worker.life()

    def taken_over(self) -> Worker:
        """Return an heir that has begun to work."""
        worker, life = self.heir()
        assert next(point for point in life if point not in ("takeover", *TAKEN)) == "idle"
        return worker

    def taught(self) -> RewardModel:
        """Return what the experiences in the topic teach."""
        model, seen = reward_model(POLICY, ACTIONS), OrderedDict[str, None]()
        for _, event in read_events(self.log, "experience", 0, 0):
            assert isinstance(event, Experience)
            teach_again(model, event, seen, remembered=POLICY.remembered)
        return model


@pytest.fixture(scope="module")
def finished() -> Upgrade:
    return Upgrade()


@pytest.fixture
def upgrade(finished: Upgrade) -> Upgrade:
    finished.leave(former_state(finished.stopped, {"policy": STATE_VERSION - 1}))
    return finished


def model_of(role: Role) -> RewardModel:
    processors = msgspec.msgpack.decode(bytes(role.snapshot()))["processors"]
    model = reward_model(POLICY, ACTIONS)
    model.restore(msgspec.msgpack.decode(processors["policy"], type=State).model)
    return model


def is_same(one: Bytes, other: Bytes) -> bool:
    """Return whether two states are equal (their difference would be long to tell)."""
    return bytes(one) == bytes(other)


def foretold(model: RewardModel, upgrade: Upgrade) -> list[float]:
    """Return what is expected at each decision of the run."""
    decided = [event for _, event in read_events(upgrade.log, "policy", 0, 0) if isinstance(event, Proposal)]
    names = [*sorted(ACTIONS), "none"]
    return [model.predict_one(one.features, action=name, pattern=one.pattern) for one in decided for name in names]


def test_a_policy_of_an_older_version_learns_again_and_the_other_processors_keep_their_state(upgrade: Upgrade) -> None:
    heir = upgrade.taken_over()
    expected = foretold(upgrade.taught(), upgrade)
    assert len(expected) > 100
    assert foretold(model_of(heir.role), upgrade) == pytest.approx(expected, abs=1e-9)
    assert expected != pytest.approx(foretold(reward_model(POLICY, ACTIONS), upgrade), abs=0.05)
    states = [msgspec.msgpack.decode(bytes(role.snapshot())) for role in (heir.role, upgrade.stopped)]
    for state in states:
        del state["processors"]["policy"]
    assert is_same(*map(msgspec.msgpack.encode, states))


def test_it_is_not_far_from_what_was_known_before(upgrade: Upgrade) -> None:
    before = foretold(model_of(upgrade.stopped), upgrade)
    again = foretold(model_of(upgrade.taken_over().role), upgrade)
    unlearned = foretold(reward_model(POLICY, ACTIONS), upgrade)
    apart = [sum(abs(a - b) for a, b in zip(before, other, strict=True)) for other in (again, unlearned)]
    assert apart[0] < 0.25 * apart[1]


def test_a_crash_on_the_way_begins_again_and_the_first_snapshot_ends_it(upgrade: Upgrade) -> None:
    _, life = upgrade.heir()
    assert "in-snapshot" in iter(partial(next, life), "idle")
    del life  # killed in the middle of the transaction
    assert upgrade.newest().code == "former"
    heir = upgrade.taken_over()
    written = upgrade.newest()
    assert written.code == "simulated"
    assert is_same(written.state, heir.role.snapshot())
    size = upgrade.log.end("state-decide", 0)
    assert is_same(upgrade.taken_over().role.snapshot(), heir.role.snapshot())
    assert upgrade.log.end("state-decide", 0) == size, "nothing was learned again"


def test_steps_behind_a_state_that_does_not_fit_are_refused(upgrade: Upgrade) -> None:
    *_, (offset, _) = read_events(upgrade.log, "journal-decide", 0, 0)
    upgrade.leave(former_state(upgrade.stopped, {"policy": STATE_VERSION - 1}), journal_offset=offset)
    with pytest.raises(RecoveryError, match="expected no steps behind a snapshot that does not fit"):
        upgrade.taken_over()


def test_what_cannot_learn_again_is_refused(upgrade: Upgrade) -> None:
    upgrade.leave(former_state(upgrade.stopped, {"policy": STATE_VERSION - 1, "attribute": 1}))
    with pytest.raises(RecoveryError, match="state of attribute must have version"):
        upgrade.taken_over()
