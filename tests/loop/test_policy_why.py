"""What a proposal says of why: the runner-up, how sure it is, what spoke on either side, and how it was chosen."""

import msgspec
import numpy as np
import pytest

from schemas.events import HoldOut, MetricSignature, Proposal
from streams.learners.reward_model import Outlook, RewardModel
from streams.loop.gate.state import is_exploring
from streams.loop.policy import Policy, PolicySettings, RenewalSettings
from streams.loop.policy.choice import Choice
from streams.loop.policy.why import largest, why_of
from tests.loop.decided import ACTIONS, SHARES, experience, proposal, recurrence
from tests.loop.test_policy import episode_of, fold, policy, taught

HELPS = {"recycle": 0.8, "restart": 0.45, "shed": 0.1, "none": 0.0}


def knowing(*, seed: int = 7, floor: float = 0.05) -> Policy:
    """Return a policy that knows what each action earns against the pattern of these tests."""
    processor = policy(seed=seed, floor=floor)
    taught(processor, HELPS)
    return processor


def decided(processor: Policy, episode: str, **fields: object) -> Proposal:
    (one,) = fold(processor, recurrence(episode, **fields))
    return one


def test_the_best_known_is_held_against_the_next_best() -> None:
    one = decided(knowing(floor=0.0), episode_of("loop"))
    assert one.why is not None
    assert (one.action, one.why.mode, one.why.runner_up) == ("recycle", "best", "restart")
    assert one.why.expected == pytest.approx(0.8, abs=0.05)
    assert one.why.runner_up_expected == pytest.approx(0.45, abs=0.05)
    assert one.why.spread is not None
    assert 0.0 < one.why.spread < 0.3


def test_another_choice_is_held_against_the_likeliest_and_was_explored() -> None:
    """As the gate sees it, too: what explores has a limit of its own there."""
    modes = set()
    for seed in range(60):
        one = decided(knowing(seed=seed, floor=0.9), episode_of("loop", seed=seed))
        assert one.why is not None
        modes.add(one.why.mode)
        assert (one.why.mode == "explored") == is_exploring(one)
        if one.action != "recycle":
            assert one.why.runner_up == "recycle"
    assert modes == {"best", "explored"}


@pytest.mark.parametrize(("arm", "action"), [("baseline", "restart"), ("none", "none")])
def test_what_is_held_out_says_so_and_what_the_loop_thinks_of_it(arm: str, action: str) -> None:
    one = decided(knowing(), episode_of(arm))
    assert one.why is not None
    assert (one.action, one.why.mode, one.why.runner_up) == (action, "held-out", "recycle")
    assert one.why.expected is not None
    assert one.why.runner_up_expected is not None
    assert one.why.expected < one.why.runner_up_expected


def test_without_another_eligible_action_there_is_no_runner_up() -> None:
    later = RenewalSettings(action="restart", failed="failed")
    processor = Policy(PolicySettings(renewal=later), loop="t", seed=7, actions={"restart": ACTIONS["restart"]})
    taught(processor, {"none": 0.0})
    one = decided(processor, episode_of("loop"))
    assert one.why is not None
    assert (one.action, one.why.mode, one.why.runner_up, one.why.parts) == ("none", "best", "", {})
    assert one.why.runner_up_expected is None
    assert one.why.expected == pytest.approx(0.0, abs=0.05)


def test_the_runner_up_is_the_likeliest_even_where_more_is_expected_of_another() -> None:
    """Of an action little is known of more may be hoped than is expected."""
    model, names = RewardModel(), ("a", "b", "c")
    model.decide("k", {"severity": 0.5}, actions=names)
    choice = Choice(
        action="a",
        probabilities={"a": 0.7, "b": 0.2, "c": 0.1},
        propensity=0.7,
        hold_out=HoldOut(draw=0.1, arm="loop", shares=SHARES),
    )
    outlook = Outlook(np.array([0.5, 0.2, 0.3]), np.array([0.03, 0.4, 0.1]), 9.0)
    why = why_of(model, "k", names, outlook, choice)
    assert (why.runner_up, why.expected, why.runner_up_expected, why.spread) == ("b", 0.5, 0.2, 0.401)


def test_what_is_told_adds_up_to_the_difference_where_nothing_is_left_out() -> None:
    one = decided(knowing(), episode_of("none"))
    assert one.why is not None
    assert one.why.expected is not None
    assert one.why.runner_up_expected is not None
    apart = one.why.expected - one.why.runner_up_expected
    assert sum(one.why.parts.values()) == pytest.approx(apart, abs=0.005)
    assert one.why.parts["cost"] == 0.1


def test_the_metric_by_which_an_action_helps_speaks_for_it() -> None:
    processor = policy(floor=0.0)
    for n in range(120):
        hot = n % 2 == 0
        for action, reward in (("recycle", 0.9 if hot else 0.1), ("restart", 0.5), ("shed", 0.0), ("none", 0.0)):
            one = proposal(
                action, episode=f"{n}-{action}", pattern=f"p-{n}", features={"mean:heat": 0.5 if hot else -0.5}
            )
            fold(processor, experience(one, reward=reward, by="ana"))
    signature = {"heat": MetricSignature(mean=5.0, peak=8.0, trend=0.0)}
    one = decided(processor, episode_of("loop"), pattern="new", signature=signature)
    assert one.why is not None
    assert (one.action, one.why.runner_up) == ("recycle", "restart")
    assert max(one.why.parts, key=lambda name: one.why.parts[name]) == "mean:heat"  # type: ignore[union-attr]
    assert one.why.parts["mean:heat"] > 0.1


def test_the_largest_three_of_either_side_are_told() -> None:
    parts = {"a": 0.5, "b": -0.25, "c": 0.0004, "d": 0.12345, "e": 0.3, "f": 0.2, "g": -0.1, "h": -0.2, "i": -0.3}
    assert largest(parts) == {"a": 0.5, "e": 0.3, "f": 0.2, "i": -0.3, "b": -0.25, "h": -0.2}
    assert largest({"c": 0.0004, "d": 0.12345, "z": 0.0}) == {"d": 0.123}


def test_a_proposal_with_many_metrics_is_not_much_longer_for_it() -> None:
    signature = {f"metric-{n}": MetricSignature(mean=n - 20.0, peak=8.0, trend=0.1) for n in range(40)}
    one = decided(knowing(), episode_of("loop"), signature=signature)
    without = msgspec.structs.replace(one, why=None)
    assert 0 < len(msgspec.json.encode(one)) - len(msgspec.json.encode(without)) < 320
