"""An episode whose trouble began at another entity waits until that one had its turn."""

from typing import Any, Literal

import pytest

from schemas.events import Event, Proposal, Storm, StormMember
from streams.loop.policy import Policy, PolicySettings
from tests.loop.decided import ACTIONS, START, S, at, closed, experience, recorded, recurrence, verdict

Calls = Literal["declared", "learned"]


def policy(**fields: Any) -> Policy:
    return Policy(PolicySettings(hold_us=10 * S, **fields), loop="t", seed=7, actions=ACTIONS)


def fold(processor: Policy, *events: Event, seconds: float = 0.0, first: int = 0) -> list[Proposal]:
    outputs = processor.on_batch(recorded(*events, first=first), at(seconds))
    return [event for event in outputs if isinstance(event, Proposal)]


def storm(origin: str, *, calls: Calls = "declared", actionable: bool = True, second: int = 0) -> Storm:
    """Return a storm of web-1 (episode e1) and db-1 (e2)."""
    members = tuple(
        StormMember(
            entity=entity, episode=episode, share=float(entity == origin), behind=origin, opened_us=START, severity=5.0,
            actionable=actionable or entity != origin,
        )
        for entity, episode in (("web-1", "e1"), ("db-1", "e2"))
    )  # fmt: skip
    return Storm(
        id=f"storm-{second}", time_us=START + second * S, storm="s", phase="open", opened_us=START, size=2, calls=calls,
        members=members,
    )  # fmt: skip


def test_the_origin_is_decided_at_once_and_the_other_later() -> None:
    processor = policy()
    proposals = fold(processor, storm("db-1"), recurrence("e1", "web-1"), recurrence("e2", "db-1"))
    assert [one.entity for one in proposals] == ["db-1"]
    assert processor.next_time() == START + 10 * S
    assert [one.entity for one in processor.on_time(at(10)) if isinstance(one, Proposal)] == ["web-1"]


def test_what_is_over_by_then_is_not_decided() -> None:
    processor = policy()
    fold(processor, storm("db-1"), recurrence("e1", "web-1"), recurrence("e2", "db-1"))
    fold(processor, closed(6, "e1", "web-1"), seconds=6, first=3)
    assert processor.on_time(at(11)) == []


def test_who_turns_out_to_be_the_origin_waits_no_longer() -> None:
    processor = policy()
    assert fold(processor, storm("db-1"), recurrence("e1", "web-1")) == []
    assert fold(processor, storm("web-1", second=2), seconds=2, first=2) == []
    assert [one.entity for one in processor.on_time(at(2)) if isinstance(one, Proposal)] == ["web-1"]


def test_a_held_episode_waits_its_time_though_its_entity_is_free_sooner() -> None:
    processor = policy()
    (earlier,) = fold(processor, recurrence("e0", "web-1"))
    assert fold(processor, recurrence("e1", "web-1"), storm("db-1"), seconds=1, first=1) == []
    assert fold(processor, experience(earlier), seconds=2, first=3) == []
    assert processor.next_time() == START + 10 * S


def test_a_storm_does_not_hurry_what_the_gate_put_off() -> None:
    processor = policy()
    fold(processor, storm("db-1"), recurrence("e1", "web-1"))
    (held,) = [one for one in processor.on_time(at(10)) if isinstance(one, Proposal)]
    denied = verdict(held, "deny", seconds=11, retry_after_us=START + 100 * S)
    fold(processor, denied, experience(held, "censored"), seconds=12, first=2)
    fold(processor, storm("web-1", second=13), seconds=13, first=4)
    assert processor.next_time() == START + 100 * S


@pytest.mark.parametrize(
    "told",
    [storm("db-1", calls="learned"), storm("db-1", actionable=False), storm("web-1")],
    ids=["learned calls", "an origin that cannot be acted on", "itself the origin"],
)
def test_nothing_waits_without_a_better_place_to_act(told: Storm) -> None:
    assert [one.entity for one in fold(policy(), told, recurrence("e1", "web-1"))] == ["web-1"]


def test_what_waits_is_restored() -> None:
    one, other = policy(), policy()
    fold(one, storm("db-1"))
    other.restore(one.snapshot())
    assert fold(other, recurrence("e1", "web-1"), first=1) == []
    fold(one, recurrence("e1", "web-1"), first=1)
    assert other.snapshot() == one.snapshot()


def test_held_episodes_are_bounded() -> None:
    processor = policy(remembered=5, open_limit=5)
    sizes = []
    for number in range(40):
        members = tuple(
            StormMember(
                entity=f"w-{number}-{n}",
                episode=f"e-{number}-{n}",
                share=0.5,
                behind=f"w-{number}-0",
                opened_us=0,
                severity=1.0,
            )
            for n in range(3)
        )
        fold(
            processor,
            Storm(
                id=f"s{number}",
                time_us=START,
                storm="s",
                phase="open",
                opened_us=0,
                size=3,
                calls="declared",
                members=members,
            ),
            first=number,
        )
        sizes.append(len(processor.snapshot()))
    assert max(sizes[20:]) <= max(sizes[:20]) + 20
