"""A policy without a snapshot that fits: what it learned is learned again from what was published."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from schemas import wire
from schemas.events import Event, Experience, MetricSignature, Proposal, Recurrence
from schemas.raw import Message, RawBatch
from streams.learners.reward_model import RewardModel
from streams.loop.decode import make_decode
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.reward_models import reward_model
from streams.loop.policy.state import State
from streams.loop.relearning import Lessons
from streams.loop.role import Role
from tests.loop.decided import ACTIONS, START, S, at, blocked, experience, proposal, recorded, recurrence, verdict

NAMES = [*sorted(ACTIONS), "none"]
COST = dict.fromkeys(ACTIONS, 0.1) | {"none": 0.0}


def policy(**fields: int) -> Policy:
    return Policy(PolicySettings(**fields), loop="t", seed=7, actions=ACTIONS)


def fold(processor: Policy, *events: Event, first: int) -> list[Proposal]:
    outputs = processor.on_batch(recorded(*events, first=first), at(0))
    return [event for event in outputs if isinstance(event, Proposal)]


def occurrence(number: int) -> Recurrence:
    draw = random.Random(number)
    signature = {name: MetricSignature(mean=draw.gauss(0, 5), peak=8.0, trend=draw.random()) for name in ("cpu", "ram")}
    return recurrence(f"e{number}", entity=f"web-{number}", pattern=f"p-{number % 3}", signature=signature)


def ends_of(one: Proposal, number: int) -> list[Experience]:
    """Return what is told of a decision: an early signal first, or a default to be corrected, or no reward at all."""
    action = NAMES[number % 4]
    kept = {"effective": action, "cost": COST[action]}
    reward = (0.9, 0.2, 0.5)[number // 4 % 3] - COST[action]
    match number % 7:
        case 0:
            early = experience(one, "early", 0.3, **kept)
            return [early, experience(one, reward=reward, retracted_reward=0.3, **kept)]
        case 1:
            return [experience(one, "defaulted", 0.1, **kept)]
        case 2:
            return [experience(one, "censored", None, effective="none")]
        case 3:
            return [experience(one, "unobservable", None, **kept)]
        case _:
            return [experience(one, reward=reward, **kept)]


def lived(processor: Policy, *, decisions: int) -> list[Experience]:
    """Let a policy decide, and hear at once what came of it; of defaults the correction comes later."""
    told: list[Experience] = []
    late: list[Experience] = []
    for number in range(decisions):
        (one,) = fold(processor, occurrence(number), first=100 * number)
        ends = ends_of(one, number)
        if ends[-1].state == "defaulted":
            late.append(experience(one, "late", 0.4, effective=NAMES[number % 4], cost=0.1, retracted_reward=0.1))
        if number % 10 == 9 and late:
            ends.append(late.pop(0))
        by_hand = proposal("restart", f"by-hand-{number}", f"db-{number}")
        ends.append(experience(by_hand, reward=0.6, by="ana"))
        fold(processor, *ends, first=100 * number + 10)
        told += ends
    return told


def model_of(processor: Policy, **fields: int) -> RewardModel:
    model = reward_model(PolicySettings(**fields), ACTIONS)
    model.restore(msgspec.msgpack.decode(processor.snapshot(), type=State).model)
    return model


def foretold(model: RewardModel) -> list[float]:
    draw = random.Random(3)
    looks = [{name: draw.gauss(0, 1) for name in model.names if name} for _ in range(5)]
    patterns = ("p-0", "p-1", "p-2", "never", None)
    return [model.predict_one(x, action=name, pattern=pattern) for x in looks for pattern in patterns for name in NAMES]


def messages(events: Sequence[Event]) -> list[Message]:
    return [wire.encode(event, loop="t") for event in events]


def relearned(processor: Policy, written: Sequence[Message]) -> Lessons:
    """Let a policy learn again from what lies in topics, in the role that reads it."""
    batches = [
        RawBatch(
            topic=topic,
            partition=0,
            offsets=list(range(len(some))),
            keys=[message.key for message in some],
            values=[message.value for message in some],
            headers=[message.headers for message in some],
        )
        for topic in processor.learned_from
        if (some := [message for message in written if message.topic == topic])
    ]
    role = Role(name="decide", loop="t", processors=[processor], decode=make_decode())
    return role.relearn("policy", batches, at(0))


def test_what_is_learned_again_is_what_was_learned() -> None:
    living, again = policy(), policy()
    told = lived(living, decisions=120)
    assert {one.state for one in told} == {"observed", "defaulted", "late", "censored", "unobservable", "early"}
    assert relearned(again, messages(told)).events == len(told)
    expected = foretold(model_of(living))
    assert foretold(model_of(again)) == pytest.approx(expected, abs=1e-9)
    assert foretold(model_of(policy())) != pytest.approx(expected, abs=0.05), "there was something to learn"


def test_decisions_go_on_as_if_nothing_had_been_forgotten() -> None:
    living, again = policy(), policy()
    relearned(again, messages(lived(living, decisions=120)))
    for number in range(120, 140):
        (one,), (other,) = (fold(each, occurrence(number), first=100 * number) for each in (living, again))
        assert other.id == one.id
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-9)
        assert one.probabilities != pytest.approx(
            fold(policy(), occurrence(number), first=0)[0].probabilities, abs=0.01
        )
        for each in (living, again):
            fold(each, *ends_of(one, number), first=100 * number + 10)
    assert foretold(model_of(again)) == pytest.approx(foretold(model_of(living)), abs=1e-9)


def test_duplicates_and_what_cannot_be_read_change_nothing_and_the_latter_is_counted() -> None:
    clean, again = policy(), policy()
    told = messages(lived(policy(), decisions=30))
    relearned(clean, told)
    (unknown,) = messages([experience(proposal(), id="other")])
    headers = tuple((name, b"flyball.experience.v0" if name == "ce_type" else value) for name, value in unknown.headers)
    broken = [
        msgspec.structs.replace(unknown, value=b'{"half'),
        msgspec.structs.replace(unknown, value=None),
        msgspec.structs.replace(unknown, value=b'{"proposal": 5}'),
        msgspec.structs.replace(unknown, headers=headers),
    ]
    lessons = relearned(again, [*told[:20], *broken, *told[:20], *told[20:], *told])
    assert (lessons.events, lessons.skipped) == (len(told), len(broken))
    equal = again.snapshot() == clean.snapshot()  # the difference would be long to tell
    assert equal


def test_what_was_learned_before_is_forgotten_first() -> None:
    told = messages(lived(policy(), decisions=30))
    once, twice = policy(), policy()
    fold(twice, *(experience(proposal(episode=f"x{n}"), reward=0.0, by="ana") for n in range(9)), first=0)
    relearned(once, told)
    for _ in range(2):
        relearned(twice, told)
    assert foretold(model_of(twice)) == foretold(model_of(once))


def test_an_experience_is_learned_once_also_where_it_comes_again_afterwards() -> None:
    again = policy()
    told = lived(policy(), decisions=30)
    relearned(again, messages(told))
    before = foretold(model_of(again))
    fold(again, *told, first=9_000)
    assert foretold(model_of(again)) == before


def test_memory_is_bounded_however_much_there_was() -> None:
    again = policy(remembered=20, open_limit=20)
    relearned(again, messages(lived(policy(), decisions=200)))
    state = msgspec.msgpack.decode(again.snapshot(), type=State)
    assert len(state.seen) == 20
    assert len(msgspec.msgpack.decode(state.model)["remembered"]) == 20


def test_what_is_blocked_and_what_was_done_lately_are_known_again() -> None:
    living, again = policy(), policy()
    acted = verdict(proposal("restart", "e8", "web-1"), seconds=-30)
    told = [blocked(1, loop=60), acted, blocked(2, loop=-1, action__shed=0)]
    fold(living, *told, first=0)
    relearned(again, messages(told))
    (one,), (other,) = (fold(each, recurrence("e9"), first=50) for each in (living, again))
    assert other == one
    assert set(other.probabilities) == {"restart", "recycle", "none"}
    assert other.features["acted:just"] > 0.9
    assert (other.blocked, other.time_us) == (("action:shed",), START + 0 * S)
