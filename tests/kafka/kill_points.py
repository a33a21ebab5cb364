"""The points at which a gate and its executors are struck, and what must then be true of the action in their hands."""

from dataclasses import dataclass
from signal import SIGKILL, SIGSTOP, Signals

from tests.kafka.relay import ADD_PARTITIONS, END_TXN, PRODUCE, Point, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A signal at a point."""

    point: Point
    signal: Signals

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.signal.name} {self.point.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBlow(Blow):
    """A blow at an executor: what `outcomes` says of its action in the end, and how often the action was done."""

    states: tuple[str, ...]
    done: int


def plant_of(loop: str) -> str:
    """Return the topic that the executors write to: each record on it is an effect."""
    return f"{loop}-plant.commands"


def gate_blows(loop: str) -> dict[str, Blow]:
    """Return every blow at the step that lets an action through: SIGKILL, and SIGSTOP until its heir has gone on."""
    transaction, actions = f"{loop}/gate/0", f"{loop}.actions"
    writes = Request(kind=PRODUCE, words=(actions,))
    commits = Request(kind=END_TXN, words=(transaction,))
    points = (
        Point(name="before it writes", requests=(Request(kind=ADD_PARTITIONS, words=(transaction, actions)),)),
        Point(name="half written", requests=(writes,)),
        Point(name="before it commits", requests=(writes, commits)),
        Point(name="committed and not told", requests=(writes, commits), answered=True),
    )
    blows = [Blow(point=point, signal=signal) for signal in (SIGKILL, SIGSTOP) for point in points]
    return {blow.name: blow for blow in blows}


def hand_blows(loop: str) -> dict[str, HandBlow]:
    """Return every blow at an executor. Who is frozen behind its claim wakes up when the action has expired."""
    outcomes = f"{loop}.outcomes"
    claims = (Request(kind=PRODUCE, words=(outcomes, "claimed")),)
    acts = (Request(kind=PRODUCE, words=(plant_of(loop),), without=(outcomes,)),)  # the report says where it wrote
    reports = (*acts, Request(kind=PRODUCE, words=(outcomes, "succeeded")))
    claimed = Point(name="claimed and not told", requests=claims, answered=True)
    lost = ("claimed", "unknown")
    blows = [
        HandBlow(point=claimed, signal=SIGKILL, states=lost, done=0),
        HandBlow(point=claimed, signal=SIGSTOP, states=("claimed", "refused"), done=0),
        HandBlow(point=Point(name="before the effect", requests=acts), signal=SIGKILL, states=lost, done=0),
        HandBlow(
            point=Point(name="behind the effect", requests=acts, answered=True), signal=SIGKILL, states=lost, done=1
        ),
        HandBlow(point=Point(name="before the report", requests=reports), signal=SIGKILL, states=lost, done=1),
        HandBlow(
            point=Point(name="reported and not told", requests=reports, answered=True),
            signal=SIGKILL,
            states=("claimed", "succeeded"),
            done=1,
        ),
        HandBlow(point=AGAIN, signal=SIGKILL, states=lost, done=1),
    ]
    return {blow.name: blow for blow in blows}


AGAIN = Point(name="at a second attempt", requests=())
"""No request to Kafka: the target, which does nothing twice, strikes when an action comes again."""
