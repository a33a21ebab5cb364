"""What the policy makes of early signals: learned from at once, and gone when the outcome comes."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Event, Proposal
from streams.learners.reward_model import RewardModel
from streams.loop.policy import Policy, PolicySettings
from streams.loop.policy.reward_models import reward_model
from streams.loop.policy.state import State
from tests.learners.test_reward_model import learned
from tests.loop.decided import ACTIONS, at, experience, recorded, recurrence, verdict

REWARDS = {"restart": 0.2, "recycle": 0.8, "shed": 0.0, "none": 0.4}
ENDS: dict[str, list[tuple[str, float | None]]] = {
    "observed": [("observed", 0.1)],
    "defaulted": [("defaulted", 0.0)],
    "late": [("defaulted", 0.0), ("late", 0.3)],
    "unobservable": [("unobservable", None)],
    "censored": [("censored", None)],
    "broken": [("observed", float("nan"))],
}


class Run:
    """Episodes decided one after another, ended some episodes later."""

    def __init__(self, *, with_early: bool, **fields: int) -> None:
        self.policy = Policy(PolicySettings(**fields), loop="t", seed=7, actions=ACTIONS)
        self._with_early = with_early

    def fold(self, *events: Event, first: int) -> list[Proposal]:
        outputs = self.policy.on_batch(recorded(*events, first=first), at(0))
        return [event for event in outputs if isinstance(event, Proposal)]

    def live(self, kinds: list[str], *, lag: int) -> None:
        """Let every episode end by its kind, `lag` episodes after it was decided; what is foretold comes at once."""
        open_: list[tuple[Proposal, str]] = []
        for n, kind in enumerate([*kinds, *["" for _ in range(lag)]]):
            if kind:
                asked = recurrence(f"e{n}", entity=f"web-{n}", pattern=f"p-{n % 2}", severity=float(n % 5))
                (one,) = self.fold(asked, first=1_000 * n)
                open_.append((one, kind))
                action = sorted(REWARDS)[n % 4]
                foretold = experience(one, "early", 0.9 - 0.1 * (n % 7), effective=action)
                self.fold(*([foretold] if self._with_early else []), first=1_000 * n + 10)
            if n >= lag and open_:
                self.end(*open_.pop(0), number=n - lag)

    def end(self, one: Proposal, kind: str, *, number: int) -> None:
        retracted = 0.9 - 0.1 * (number % 7) if self._with_early else None
        action = sorted(REWARDS)[number % 4]
        for place, (state, reward) in enumerate(ENDS[kind]):
            effective = "none" if state == "censored" else action
            told = experience(one, state, reward, effective=effective, retracted_reward=retracted)
            self.fold(told, told, first=1_000 * number + 500 + 2 * place)
            retracted = reward

    def model(self) -> RewardModel:
        state = msgspec.msgpack.decode(self.policy.snapshot(), type=State)
        found = reward_model(PolicySettings(), ACTIONS)
        found.restore(state.model)
        return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(ENDS)), min_size=1, max_size=12), st.integers(0, 5))
def test_once_the_outcomes_came_the_regressions_are_those_without_early_signals(kinds: list[str], lag: int) -> None:
    early, plain = Run(with_early=True), Run(with_early=False)
    early.live(kinds, lag=lag)
    plain.live(kinds, lag=lag)
    got, expected = (learned(run.model(), actions=len(REWARDS)) for run in (early, plain))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_what_is_foretold_teaches_before_the_outcome_comes_and_once() -> None:
    told, plain = Run(with_early=True), Run(with_early=False)
    for run in (told, plain):
        for n in range(30):
            (one,) = run.fold(recurrence(f"e{n}", entity=f"web-{n}"), first=10 * n)
            action = sorted(REWARDS)[n % 4]
            early = experience(one, "early", REWARDS[action], effective=action)
            if run is told:
                run.fold(early, first=10 * n + 1)
                before = run.policy.snapshot()
                run.fold(early, first=10 * n + 2)
                assert run.policy.snapshot() == before
    (first,), (second,) = (run.fold(recurrence("last", entity="web-99"), first=900) for run in (told, plain))
    assert first.probabilities["recycle"] > 0.7
    assert second.probabilities["recycle"] < 0.5


@pytest.mark.parametrize("kind", sorted(ENDS))
def test_what_is_foretold_after_the_end_teaches_nothing(kind: str) -> None:
    run = Run(with_early=False)
    (one,) = run.fold(recurrence("e0", entity="web-0"), first=0)
    run.end(one, kind, number=0)
    before = run.policy.snapshot()
    run.fold(experience(one, "early", 0.9), first=5_000)
    assert run.policy.snapshot() == before


def test_an_entity_is_kept_for_its_outcome_whatever_is_foretold() -> None:
    run = Run(with_early=True)
    (one,) = run.fold(recurrence("e1"), first=0)
    run.fold(verdict(one), experience(one, "early", 0.5), first=1)
    assert run.fold(recurrence("e2"), first=5) == []
    (two,) = run.fold(experience(one, "observed", 0.6, retracted_reward=0.5), first=9)
    assert two.episode == "e2"


def test_what_was_foretold_of_a_decision_that_was_forgotten_is_not_made_up_for() -> None:
    told, plain = (Run(with_early=True, remembered=3, open_limit=3) for _ in range(2))
    for run in (told, plain):
        first, *_ = [run.fold(recurrence(f"e{n}", entity=f"web-{n}"), first=n)[0] for n in range(4)]
    told.fold(experience(first, "early", 0.9), first=9)
    assert told.policy.snapshot() == plain.policy.snapshot()
