"""Taking over `decide` after an upgrade on a real broker: what does not fit is learned again, or is given up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from connectors.kafka.launcher import LocalKafka
from schemas import wire
from schemas.clock import LoopClock
from schemas.connection import KafkaConnection
from schemas.errors import RecoveryError
from schemas.events import Experience, InputRange, JournalEntry
from schemas.raw import Message
from streams.loop.policy.state import STATE_VERSION, State
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.step import StepOutput, journal_entry, journal_message
from streams.runtime import snapshots
from streams.runtime.held import Held
from streams.runtime.recovery import accept_loss
from streams.runtime.relearning import relearn
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer
from streams.runtime.takeover import Takeover, take_over
from tests.kafka.log import KafkaLog
from tests.loop.decided import blocked, experience, proposal
from tests.replay.former import former_state
from tests.simulation.loop import make_role

OLDER = {"policy": STATE_VERSION - 1}
TOLD = [
    experience(proposal("restart", f"e{n}", f"web-{n}"), reward=0.9 - 0.05 * (n % 3), cost=0.05, effective=action)
    for n, action in enumerate(("restart", "recycle", "none", "throttle") * 10)
]


class FormerRole:
    """What a role of a former release leaves behind: its state, and where its sources were read to."""

    def __init__(self, role: Role, versions: dict[str, int]) -> None:
        self.snapshot = partial(former_state, role, versions)
        self.next_offsets = role.next_offsets


class Place:
    """A loop on a broker, of which `decide` read what was told, and stopped."""

    def __init__(self, broker: LocalKafka, loop: str, data: Path) -> None:
        self.spec = WorkerSpec(
            loop=loop,
            role="decide",
            connection=KafkaConnection(bootstrap=broker.bootstrap),
            instance="w0",
            partitions=1,
            make_role=partial(make_role, "decide"),
            sign={},
            settings_hash="test",
            code="2",
            data=data,
        )
        self.role = self.spec.make_role(0)
        self.role.skip_to("insights", 0, 0)

    def write(self, messages: Sequence[Message]) -> None:
        producer = StepProducer(self.spec, partition=0)
        producer.open()
        producer.write(messages)

    def tell(self, *events: Experience) -> None:
        self.write([wire.encode(event, loop=self.spec.loop) for event in events])

    def leave(self, versions: dict[str, int], *, step: int = 7) -> None:
        """Write the snapshot of a former release."""
        former: Role = FormerRole(self.role, versions)  # type: ignore[assignment]  # all that a snapshot asks of it
        held = Held(role=former, step=step, time_us=5)
        self.write(snapshots.messages_at(replace(self.spec, code="1"), partition=0, held=held))

    def take(self) -> Takeover:
        return take_over(self.spec, partition=0, clock=LoopClock())

    def log(self) -> KafkaLog:
        return KafkaLog(self.spec.connection, self.spec.loop)

    def journal(self) -> list[JournalEntry]:
        return [event for event in self.log().events("journal-decide") if isinstance(event, JournalEntry)]


@pytest.fixture
def place(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Place:
    made = Place(broker, loop_on_kafka(), tmp_path)
    made.tell(*TOLD)
    return made


def learned(role: Role) -> bytes:
    """Return what the policy of a role knows of actions."""
    state = msgspec.msgpack.decode(bytes(role.snapshot()))["processors"]["policy"]
    return msgspec.msgpack.decode(state, type=State).model


def taught(place: Place) -> bytes:
    """Return what what was told teaches a fresh one."""
    held = Held(role=place.spec.make_role(0))
    relearn(place.spec, 0, held)
    return learned(held.role)


def test_a_policy_of_an_older_version_learns_again_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    broken = Message(topic="experience", key=b"k", value=b"{", headers=(("ce_type", b"flyball.experience.v1"),))
    place.write([broken])
    place.leave(OLDER)
    first = place.take()
    assert learned(first.held.role) == taught(place) != learned(place.role)
    assert (first.held.step, first.replayed) == (7, 0)
    assert f"learned again from {len(TOLD)} events of verdicts and experience, 1 could not be read" in caplog.text
    assert f"must have version {STATE_VERSION}, got {STATE_VERSION - 1}" in caplog.text
    caplog.clear()
    second = place.take()
    assert "learned again" not in caplog.text
    assert bytes(second.held.role.snapshot()) == bytes(first.held.role.snapshot())


def test_what_is_blocked_is_known_up_to_where_the_role_reads_on(place: Place) -> None:
    told = [blocked(n, **{f"action__{name}": 0}) for n, name in enumerate(("restart", "recycle"))]
    place.write([wire.encode(event, loop=place.spec.loop) for event in told])
    second = place.log().read("verdicts")[1].offset
    place.role.skip_to("verdicts", 0, second)
    place.leave(OLDER)
    state = msgspec.msgpack.decode(bytes(place.take().held.role.snapshot()))["processors"]["policy"]
    assert msgspec.msgpack.decode(state, type=State).blocked == {"action:restart": 0}


def test_a_role_that_lost_snapshot_and_journal_learns_again_too(place: Place) -> None:
    first = place.take()
    assert learned(first.held.role) == taught(place) != learned(place.role)
    assert place.log().state("decide", 0) == bytes(first.held.role.snapshot())


def test_another_processor_of_an_older_version_is_given_up_by_a_person_and_alone(place: Place) -> None:
    place.role.skip_to("insights", 0, 5)
    place.leave(OLDER | {"attribute": 1})
    with pytest.raises(RecoveryError, match=r"state of attribute must .* --accept-loss"):
        place.take()
    left_out, *lines = accept_loss(place.spec)
    assert "left out no inputs of 0 steps" in left_out
    assert [line.split(": ", 1)[1].split(" (")[0] for line in lines] == [
        "attribute begins afresh",
        "policy begins afresh",
        f"policy learned again from {len(TOLD)} events of verdicts and experience, 0 could not be read",
    ]
    takeover = place.take()
    assert learned(takeover.held.role) == taught(place)
    assert (takeover.held.step, takeover.positions["insights"]) == (8, 5)
    assert [entry.step for entry in place.journal()] == [7]


def test_nothing_is_given_up_before_what_has_to_be_done_first(place: Place) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    place.leave(OLDER | {"attribute": 1})
    with pytest.raises(KeyboardInterrupt):
        accept_loss(place.spec, beforehand=die)
    assert place.journal() == []
    with pytest.raises(RecoveryError, match="state of attribute must"):
        place.take()
    called: list[int] = []
    assert accept_loss(place.spec, beforehand=lambda: called.append(1)) != []
    assert accept_loss(place.spec, beforehand=lambda: called.append(2)) == []
    assert called == [1]


def test_where_nothing_fits_and_the_journal_is_gone_the_role_goes_on_behind_its_last_step(place: Place) -> None:
    place.leave(OLDER | {"attribute": 1, "recognise": 1}, step=40)
    with pytest.raises(RecoveryError, match="state of recognise must have version"):
        place.take()
    assert any("policy learned again from" in line for line in accept_loss(place.spec))
    takeover = place.take()
    assert (takeover.held.step, learned(takeover.held.role)) == (41, taught(place))
    assert accept_loss(place.spec) == []


def test_orders_are_heard_again_by_a_role_that_begins_afresh(place: Place) -> None:
    read = [
        InputRange(topic=topic, partition=0, start=0, stop=stop) for topic, stop in (("control", 4), ("outcomes", 9))
    ]
    step = StepOutput(now=Now(us=5, control_heard_us=0), inputs=tuple(read), events=(), messages=(), digest="")
    names = {"role": "decide", "partition": 0, "code": "1", "settings_hash": "test", "instance": "w0"}
    place.write([journal_message(journal_entry(step, loop=place.spec.loop, step=6, **names), loop=place.spec.loop)])  # type: ignore[arg-type]
    left_out, *_ = accept_loss(place.spec)
    assert "left out outcomes/0[0:9] of 1 steps" in left_out
    takeover = place.take()
    assert (takeover.positions["control"], takeover.positions["outcomes"]) == (0, 9)
