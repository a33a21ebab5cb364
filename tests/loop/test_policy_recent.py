"""What the policy knows besides the episode: what was done about the entity lately, and the time of the day."""

import math

import msgspec
import pytest

from streams.loop.policy import Policy
from streams.loop.policy.choice import time_of_day
from streams.loop.policy.recent import HALF_US, HOUR_US, KEPT, RecentActions
from streams.loop.policy.reward_models import reward_model_settings
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.state import State
from tests.loop.decided import START, S, proposal, recurrence, verdict
from tests.loop.test_policy import fold, policy


def features(processor: Policy, seconds: float) -> tuple[float, float]:
    """Return what a policy that begins where another stands says at a later time of an episode."""
    other = policy()
    other.restore(processor.snapshot())
    assert other.snapshot() == processor.snapshot()
    (one,) = fold(other, recurrence(f"at-{seconds}"), seconds=seconds)
    return one.features["acted"], one.features["acted:just"]


def test_what_was_let_through_lately_is_a_feature_and_fades() -> None:
    made = RecentActions(limit=5)
    assert made.features("web-1", START) == {"acted": 0.0, "acted:just": 0.0}
    made.note("web-1", "a1", START)
    made.note("web-1", "a2", START + HALF_US)
    assert made.features("web-1", START + 2 * HALF_US) == {"acted": math.tanh(0.5), "acted:just": 0.5}
    assert made.features("web-1", START + HOUR_US) == {"acted": math.tanh(0.25), "acted:just": 2.0**-5}
    assert made.features("web-2", START) == {"acted": 0.0, "acted:just": 0.0}
    assert made.features("web-1", START - 5)["acted:just"] == 1.0  # a gate whose clock is ahead


def test_an_action_told_again_counts_once_and_old_ones_and_entities_are_forgotten() -> None:
    made = RecentActions(limit=2)
    for _ in range(3):
        made.note("web-1", "a1", START)
    assert made.columns() == [("web-1", {"a1": START})]
    for number in range(2 * KEPT):
        made.note("web-1", f"b{number}", START + number)
    assert list(made.columns()[0][1]) == [f"b{number}" for number in range(KEPT, 2 * KEPT)]
    made.note("web-1", "c", START + HOUR_US + KEPT)
    assert made.columns() == [
        ("web-1", {**{f"b{n}": START + n for n in range(KEPT + 1, 2 * KEPT)}, "c": START + HOUR_US + KEPT})
    ]
    for entity in ("web-2", "web-3"):
        made.note(entity, "a1", START)
    assert [entity for entity, _ in made.columns()] == ["web-2", "web-3"]


def test_only_what_was_let_through_counts_whoever_proposed_it() -> None:
    processor = policy()
    assert features(processor, 0.0) == (0.0, 0.0)
    denied, shadowed, asked = (verdict(proposal(episode=word), word) for word in ("deny", "shadow", "escalate"))
    left = verdict(proposal("none", episode="left"))
    fold(processor, denied, shadowed, asked, left, seconds=1.0)
    assert features(processor, 2_000.0) == (0.0, 0.0)
    fold(processor, verdict(proposal(episode="by hand", by="ana")), seconds=2.0)
    often, just = features(processor, 2_000.0)
    assert often == math.tanh(0.25)
    assert just == pytest.approx(2.0 ** (-2_000 * S / HALF_US))


def test_a_state_without_recent_actions_is_read() -> None:
    processor = policy()
    fold(processor, verdict(proposal()))
    older = msgspec.msgpack.decode(processor.snapshot())
    assert older.pop("recent") == [["web-1", {f"action-of-{proposal().id}": START}]]
    other = policy()
    other.restore(msgspec.msgpack.encode(older))
    assert msgspec.msgpack.decode(other.snapshot(), type=State).recent == []


def test_the_time_of_the_day_goes_round() -> None:
    noon = {"day:cos": pytest.approx(-1.0), "day:sin": pytest.approx(0.0, abs=1e-9)}
    assert time_of_day(43_200 * S) == time_of_day(3 * 86_400 * S + 43_200 * S) == noon
    before, after = time_of_day(86_400 * S - 60 * S), time_of_day(60 * S)
    assert before["day:cos"] == pytest.approx(after["day:cos"])
    assert before["day:sin"] == pytest.approx(-after["day:sin"])
    (one,) = fold(policy(), recurrence("e1"))
    assert {name: one.features[name] for name in ("day:cos", "day:sin")} == time_of_day(START)


def test_every_decision_has_the_features_that_have_a_place_and_those_of_its_metrics() -> None:
    (one,) = fold(policy(), recurrence("e1"))
    made = reward_model_settings(PolicySettings(), actions=2)
    assert set(made.first_features) == {name for name in one.features if not name.startswith("mean:")}
    assert set(made.declared_features) == {*time_of_day(START), *RecentActions(limit=1).features("web-1", START)}
