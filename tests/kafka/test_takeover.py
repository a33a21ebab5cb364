"""Taking over a partition on a real broker: fence, replay, refuse, or go on with a loss that is written down."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka
from schemas.clock import LoopClock
from schemas.errors import FencedError, RecoveryError
from schemas.events import Loss
from streams.runtime.recovery import accept_loss
from streams.runtime.takeover import take_over
from tests.kafka.by_hand import PARTITION, Place, folded_once
from tests.kafka.log import KafkaLog
from tests.kafka.subject import Subject, make_role, spec_of
from tests.patience import eventually


@pytest.fixture
def place(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Place:
    loop = loop_on_kafka(telemetry=1)
    subject = Subject(loop=loop, bootstrap=broker.bootstrap, instance="w0", data=str(tmp_path), partitions=1)
    return Place(spec=replace(spec_of(subject), replay_limit_s=1e9))


@dataclass
class SteppedClock:
    """A clock of a machine, so far (us) ahead of the true time."""

    ahead_us: int

    def now_us(self) -> int:
        return time.time_ns() // 1_000 + self.ahead_us


def test_the_heir_of_a_killed_owner_has_its_state_to_the_bit_and_writes_nothing_again(place: Place) -> None:
    gone = folded_once(place).release(snapshot=False)
    assert gone is not None
    before = len(place.log("insights"))
    takeover = place.take()
    assert takeover.replayed == takeover.held.step >= 1
    assert takeover.held.role.snapshot() == gone.role.snapshot()
    assert takeover.positions["telemetry"] == 30
    assert len(place.log("insights")) == before


def test_a_zombie_is_fenced_at_its_next_step(place: Place) -> None:
    zombie = folded_once(place)
    heir = place.owner(place.take())
    place.feed(10)
    place.fold(zombie)
    eventually(lambda: place.failures)
    assert isinstance(place.failures.pop(), FencedError)
    place.fold(heir)
    assert place.failures == []
    steps = [entry.step for entry in place.steps()]
    assert steps == list(range(len(steps)))


def test_after_a_clean_stop_nothing_is_replayed(place: Place) -> None:
    folded_once(place).release(snapshot=True)
    takeover = place.take()
    assert (takeover.replayed, takeover.positions["telemetry"]) == (0, 30)


def test_a_released_state_is_taken_over_again_without_reading_it(place: Place) -> None:
    kept = folded_once(place).release(snapshot=False)
    assert kept is not None
    takeover = take_over(place.spec, partition=PARTITION, clock=LoopClock(), kept=kept)
    assert (takeover.replayed, takeover.held.role) == (0, kept.role)


def test_what_can_wait_is_committed_at_the_end_at_the_latest(place: Place) -> None:
    place.spec = replace(place.spec, gather_s=60)
    owner = folded_once(place)  # writes what cannot wait
    eventually(lambda: owner.step > 2)  # timers, which write a census
    assert (len(place.steps()), place.log("insights")[-1].TYPE) == (1, "flyball.drift.v1")
    owner.release(snapshot=True)
    assert [entry.step for entry in place.steps()] == list(range(owner.step))
    assert place.log("insights")[-1].TYPE == "flyball.census.v1"
    assert place.take().replayed == 0


def test_a_kept_state_whose_last_step_was_aborted_meanwhile_is_read_anew(place: Place) -> None:
    kept = folded_once(place).release(snapshot=False)
    assert kept is not None
    kept.journal_offset += 7  # as if more had been written, and undone
    assert take_over(place.spec, partition=PARTITION, clock=LoopClock(), kept=kept).replayed > 0


def test_another_version_of_the_code_starts_only_behind_a_snapshot(place: Place) -> None:
    owner = folded_once(place)
    with pytest.raises(RecoveryError, match="taken by version 1, this is 2"):
        place.take(code="2")
    again = place.owner(place.take())
    again.release(snapshot=True)
    owner.release(snapshot=False)
    assert place.take(code="2").replayed == 0


def test_a_fold_that_comes_out_otherwise_is_refused_with_the_remedy(place: Place) -> None:
    folded_once(place).release(snapshot=False)
    with pytest.raises(RecoveryError, match=r"step 0 does not come out as recorded .* --accept-loss"):
        place.take(make_role=lambda partition: make_role("other", partition))


def test_telemetry_gone_before_it_was_folded_is_recorded_as_loss(place: Place) -> None:
    folded_once(place).release(snapshot=True)
    place.feed(30)
    place.remove_before(45)
    takeover = place.take()
    assert takeover.positions["telemetry"] == 45
    (loss,) = [event for event in place.log("insights") if isinstance(event, Loss)]
    assert (loss.source, loss.partition, loss.start, loss.stop) == ("telemetry", 0, 30, 45)
    place.fold(place.owner(takeover))
    replayed = place.take()
    assert replayed.replayed >= 2
    assert replayed.positions["telemetry"] == 60


def test_inputs_of_the_journal_that_are_gone_need_a_person(place: Place) -> None:
    folded_once(place).release(snapshot=False)
    place.feed(30)
    place.remove_before(40)
    with pytest.raises(RecoveryError, match=r"inputs telemetry/0\[0:30\] of step 0 are gone; .*--accept-loss"):
        place.take()
    (line,) = accept_loss(place.spec)
    assert "telemetry/0[0:40]" in line
    takeover = place.take()
    assert (takeover.replayed, takeover.positions["telemetry"]) == (0, 40)
    assert takeover.held.step == len(place.steps())
    place.fold(place.owner(takeover))
    assert place.failures == []


def far_off() -> LoopClock:
    """Return the clock of a worker that started on a machine whose clock is 9.5 s ahead."""
    return LoopClock(wall_us=SteppedClock(ahead_us=9_500_000).now_us)


def test_a_worker_under_a_clock_far_from_the_brokers_takes_no_step_and_says_so(place: Place) -> None:
    place.feed(5)
    clock = far_off()
    owner = place.owner(place.take(clock=clock), clock=clock)
    assert re.search(r"clock is -[89]\.\d s .* then restart this worker", owner.paused or "")
    place.hand(owner)
    time.sleep(1.0)
    owner.release(snapshot=True)
    assert place.steps() == []
    place.fold(place.owner(place.take()))
    assert place.failures == []


def test_under_a_clock_far_from_the_brokers_no_loss_is_written_down(place: Place) -> None:
    folded_once(place).release(snapshot=True)
    place.feed(30)
    place.remove_before(45)
    steps = len(place.steps())
    place.take(clock=far_off())
    with pytest.raises(RecoveryError, match=r"/detect/0: the broker's clock is -[89]\.\d s .* then try again"):
        accept_loss(place.spec, clock=far_off())
    assert len(place.steps()) == steps
    assert place.take().positions["telemetry"] == 45
    assert len(place.steps()) == steps + 1


def test_a_clock_that_leaves_the_brokers_pauses_after_the_next_commit(place: Place) -> None:
    elapsed = SteppedClock(ahead_us=0)
    clock = LoopClock(elapsed_us=elapsed.now_us)
    owner = place.owner(place.take(clock=clock), clock=clock)
    place.feed(5)
    place.fold(owner)
    assert owner.paused is None
    elapsed.ahead_us = 9_000_000
    eventually(lambda: owner.paused)
    steps = len(place.steps())
    time.sleep(1.0)
    assert len(place.steps()) == steps


def test_a_worker_started_under_a_wrong_clock_follows_it_once_it_is_set_right(place: Place) -> None:
    wall = SteppedClock(ahead_us=2_000_000)
    clock = LoopClock(wall_us=wall.now_us)
    place.feed(5)
    owner = place.owner(place.take(clock=clock), clock=clock)
    wall.ahead_us = 4_000_000
    place.fold(owner)
    assert clock.wall_ahead_us() > 1_500_000, "the wall clock is worse: nothing to follow"
    wall.ahead_us = 0
    eventually(lambda: abs(clock.wall_ahead_us()) < 500_000)
    wall.ahead_us = 3_000_000
    place.feed(5)
    place.fold(owner)
    assert clock.wall_ahead_us() > 2_500_000, "put right once at most"
    assert owner.paused is None
    steps = len(place.steps())
    eventually(lambda: len(place.steps()) > steps)
    owner.release(snapshot=False)
    times = [entry.time_us for entry in place.steps()]
    assert times == sorted(times)


def test_a_due_timer_is_a_step_without_inputs(place: Place) -> None:
    owner = folded_once(place)
    eventually(lambda: any(not entry.inputs for entry in place.steps()))
    owner.release(snapshot=True)
    assert [type(event).__name__ for event in place.log("insights")].count("Census") >= 1


def test_a_topic_whose_beginning_is_gone_is_read_from_what_is_left(place: Place) -> None:
    place.feed(50)
    place.remove_before(40)
    assert [record.offset for record in KafkaLog(place.connection, place.spec.loop).read("telemetry")] == [
        *range(40, 50)
    ]
