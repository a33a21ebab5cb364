"""The policy and the gate together, while the gate is away: each episode is decided, and learned of, once."""

import pytest

from schemas.events import Event, Proposal, Verdict
from streams.loop.policy import Policy
from streams.loop.processor import Now
from tests.loop.decided import recorded, recurrence
from tests.loop.gate_bench import HOUR, SECOND, actions, experience, opened, outcome, proposal, verdicts
from tests.loop.held_back import EARNS, policy
from tests.loop.levels_bench import LevelBench
from tests.loop.test_policy import taught


class Loop:
    """A policy, and a gate that hears what was proposed only when it is let. `ended` are the episodes of which
    something can be learned, with what was done.
    """

    def __init__(self, arm: str, *, floor: float = 0.02) -> None:
        shares = {"loop": 0.0, "baseline": 0.0, "none": 0.0} | {arm: 1.0}
        self.policy: Policy = policy(hold_out=shares, floor=floor)
        taught(self.policy, EARNS, times=4)
        self.bench = LevelBench(default="act")
        self.unheard: list[Proposal] = []
        self.ended: list[tuple[str, str]] = []
        self.said: list[Verdict] = []
        self.offset = 1000

    def begin(self, entity: str) -> None:
        self.bench.give(opened(entity))
        self.fold(recurrence(f"episode-{entity}", entity, time_us=self.bench.us))

    def fold(self, *events: Event) -> None:
        made = self.policy.on_batch(recorded(*events, first=self.offset), self.now)
        self.offset += len(events)
        self.unheard += [one for one in made if isinstance(one, Proposal)]

    def wait(self, us: int) -> None:
        """Let time pass, second by second as far as something is due."""
        until_us = self.bench.us + us
        while (due_us := self.policy.next_time()) is not None and due_us <= until_us:
            self.bench.us = max(due_us, self.bench.us)
            made = self.policy.on_time(self.now)
            self.unheard += [one for one in made if isinstance(one, Proposal)]
        self.bench.us = until_us

    def answer(self) -> None:
        """Let the gate answer all that it has not heard yet, and tell what came of it."""
        unheard, self.unheard = self.unheard, []
        for one in unheard:
            made = self.bench.give(one)
            (said,) = verdicts(made)
            self.said.append(said)
            self.bench.give(*(outcome(action, "succeeded") for action in actions(made)))
            known = {"reward": 0.9} if said.verdict == "allow" else {"reward": None, "state": "censored"}
            if said.verdict == "allow":
                self.ended.append((one.episode, one.action))
            self.fold(said, experience(said, time_us=self.bench.us, **known))

    @property
    def now(self) -> Now:
        return Now(self.bench.us, self.bench.us)

    @property
    def learned(self) -> int:
        """Return how many updates the model has seen, as the next proposal says."""
        other = policy()
        other.restore(self.policy.snapshot())
        made = other.on_batch(recorded(recurrence("looked-at", "looked-at"), first=9999), self.now)
        (one,) = (one for one in made if isinstance(one, Proposal))
        return int(one.model.removeprefix("ridges/"))


@pytest.mark.parametrize("arm", ["loop", "none"])
@pytest.mark.parametrize("away_us", [25 * SECOND, HOUR, 2 * HOUR])
def test_an_episode_of_an_outage_is_decided_afterwards_and_learned_of_once(arm: str, away_us: int) -> None:
    loop = Loop(arm)
    before = loop.learned
    loop.begin("m1")
    loop.wait(away_us)
    for _ in range(400):
        loop.answer()
        loop.wait(SECOND)
    *denied, allowed = loop.said
    assert {one.verdict for one in denied} == {"deny"}
    assert allowed.verdict == "allow"
    assert allowed.time_us < allowed.proposal.expires_us
    assert [episode for episode, _ in loop.ended] == ["episode-m1"]
    assert loop.learned - before == 1


def test_what_was_to_be_left_alone_long_ago_is_decided_anew() -> None:
    """The loop does not leave an episode alone because it would have an hour ago, once by chance of many."""
    loop = Loop("loop", floor=0.8)
    for n in range(30):
        loop.begin(f"m{n}")
    loop.wait(HOUR)
    assert any(one.action == "none" for one in loop.unheard)
    for _ in range(1000):
        loop.answer()
        loop.wait(SECOND)
    assert sorted(episode for episode, _ in loop.ended) == sorted(f"episode-m{n}" for n in range(30))
    assert {one.decided_by for one in loop.said if one.proposal.action == "none"} == {"expiry", None}


@pytest.mark.parametrize(("episode", "said"), [("episode-e0", ("deny", "expiry")), ("", ("allow", None))])
def test_that_a_life_was_left_alone_is_told_once_and_counts_whenever_it_is_heard(
    episode: str, said: tuple[str, str | None]
) -> None:
    bench = LevelBench(default="act")
    late = proposal("q", action="none", episode=episode, pattern="novel", expires_us=bench.us)
    (verdict,) = verdicts(bench.give(late))
    assert (verdict.verdict, verdict.decided_by) == said
