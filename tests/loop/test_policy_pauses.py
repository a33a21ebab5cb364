"""What arrives while nothing may be done is kept, and decided afresh once something may, if it still holds."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Action, Control, Event, HoldOut, Overflow, Proposal, Verdict
from schemas.ids import derive
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.policy import Policy, PolicySettings
from tests.loop.decided import (
    ACTIONS,
    START,
    S,
    at,
    blocked,
    closed,
    experience,
    outcome,
    recorded,
    recurrence,
    verdict,
)
from tests.loop.gate_bench import control, opened

ALONE = {"loop": 0.0, "baseline": 1.0, "none": 0.0}
"""The baseline's arm always acts: what is not done was not proposed, or not allowed."""
SCOPES = ("loop", "entity:web-1", "pattern:p-1")


def policy(*, actions: dict[str, ActionSettings] = ACTIONS, **fields: Any) -> Policy:
    return Policy(PolicySettings(**({"hold_out": ALONE} | fields)), loop="t", seed=7, actions=actions)


class Loop:
    """A policy and a gate that hear of each other; of what was decided, what came of it is told at once."""

    def __init__(self, *, gate: GateSettings | None = None, actions: dict[str, ActionSettings] = ACTIONS) -> None:
        self.policy = policy(actions=actions)
        self.gate = Gate(
            gate or GateSettings(),
            loop="t",
            settings_hash="h",
            actions=actions,
            levels=LevelSettings(default="act", novel="act"),
            baseline="restart",
        )
        self.outputs: list[Event] = []
        self.slow = False
        """Whether proposals are under way until they are delivered."""
        self.lasts = 0.0
        """How long an action takes, in seconds."""
        self.ends = "succeeded"
        """How actions end."""
        self._under_way: list[Proposal] = []
        self._running: list[tuple[float, Verdict]] = []
        self.seconds = 0.0
        self._offset = 0
        self.give(control("settings", "loop", "h"))
        self.order("loop", "running")

    def order(self, target: str, value: str, **fields: Any) -> None:
        """Let a person pause or resume."""
        us = at(self.seconds).us
        self.give(replace(control("pause", target, value), id=derive(target, value, us), time_us=us, **fields))
        self._fire()

    def open(self, *entities: str) -> None:
        """Open an episode of each entity, which recurs at once."""
        for entity in entities:
            episode = replace(opened(entity), time_us=at(self.seconds).us)
            self.give(episode, recurrence(episode.episode, entity))

    def close(self, entity: str) -> None:
        """End an entity's episode."""
        self.give(closed(self.seconds, f"episode-{entity}", entity))

    def give(self, *events: Event) -> None:
        """Hand events to both, the gate first, and to both what that causes."""
        for event in events:
            self.hand(self.gate, event)
            if not isinstance(event, Control):
                self.hand(self.policy, event)

    def hand(self, processor: Gate | Policy, event: Event) -> None:
        """Hand one event to one of them."""
        self._offset += 1
        self._hear(processor.on_batch(recorded(event, first=self._offset), at(self.seconds)))

    def deliver(self) -> None:
        """Let what was proposed reach the gate."""
        under_way, self._under_way = self._under_way, []
        for proposal in under_way:
            self.hand(self.gate, proposal)
        self._fire()

    def wait(self, until: float) -> None:
        """Let time go by, second by second."""
        while self.seconds < until:
            self.seconds += 1
            running, self._running = self._running, []
            for ends, decided in running:
                self._end(decided, ends)
            self._hear(self.gate.on_time(at(self.seconds)))
            self._fire()

    def acted_on(self) -> list[str]:
        """Return on what was acted, in order."""
        return [event.entity for event in self.outputs if isinstance(event, Action)]

    def proposed(self) -> list[Proposal]:
        return [event for event in self.outputs if isinstance(event, Proposal)]

    def denied(self) -> list[str | None]:
        return [event.decided_by for event in self.outputs if isinstance(event, Verdict) and event.verdict == "deny"]

    def _fire(self) -> None:
        """Fire the policy's timers that are due, as a worker does between two steps."""
        while (due_us := self.policy.next_time()) is not None and due_us <= at(self.seconds).us:
            self._hear(self.policy.on_time(at(self.seconds)))

    def _hear(self, events: Iterable[Event]) -> None:
        told = list(events)
        self.outputs += told
        for event in told:
            if self.slow and isinstance(event, Proposal):
                self._under_way.append(event)
            else:
                self.give(event)
        for event in told:
            if isinstance(event, Verdict):
                self._end(event, self.seconds + (self.lasts if event.action else 0.0))

    def _end(self, decided: Verdict, ends: float) -> None:
        if ends > self.seconds:
            self._running.append((ends, decided))
            return
        if decided.action is not None:
            self.give(outcome(decided, self.ends, self.seconds))
        told = ("observed", 0.9) if decided.verdict == "allow" else ("censored", None)
        self.give(experience(decided.proposal, *told, verdict=decided.verdict))


@pytest.mark.parametrize("target", SCOPES)
def test_an_anomaly_that_arrives_while_paused_is_acted_on_after_resume(target: str) -> None:
    loop = Loop()
    loop.order(target, "paused")
    loop.open("web-1")
    loop.wait(60)
    assert loop.proposed() == []
    loop.order(target, "running")
    assert loop.acted_on() == ["web-1"]
    (one,) = loop.proposed()
    assert (one.time_us, one.blocked) == (START + 60 * S, ())


@pytest.mark.parametrize("target", SCOPES)
def test_and_when_a_pause_with_an_end_is_over(target: str) -> None:
    loop = Loop()
    loop.order(target, "paused", until_us=START + 30 * S)
    loop.open("web-1")
    loop.wait(29)
    assert loop.proposed() == []
    assert loop.policy.next_time() == START + 30 * S
    loop.wait(30)
    assert loop.acted_on() == ["web-1"]


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("target", SCOPES)
def test_and_not_if_it_is_over_by_then(target: str, *, ends: bool) -> None:
    loop = Loop()
    loop.order(target, "paused", until_us=START + 30 * S if ends else None)
    loop.open("web-1")
    loop.wait(20)
    loop.close("web-1")
    loop.order(target, "running")
    loop.wait(40)
    assert loop.proposed() == []


def test_a_resume_before_the_end_of_a_pause_counts() -> None:
    loop = Loop()
    loop.order("loop", "paused", until_us=START + 3000 * S)
    loop.open("web-1")
    loop.wait(10)
    loop.order("loop", "running")
    assert loop.acted_on() == ["web-1"]


def test_while_one_action_is_paused_another_is_chosen_and_without_another_it_is_waited_for() -> None:
    several = Loop()
    several.order("action:recycle", "paused")
    several.open("web-1")
    (one,) = several.proposed()
    assert (one.action, one.blocked) == ("restart", ("action:recycle",))
    single = Loop(actions={"restart": ACTIONS["restart"]})
    single.order("action:restart", "paused")
    single.open("web-1", "web-2")
    single.close("web-2")
    single.wait(50)
    assert single.proposed() == []
    single.order("action:restart", "running")
    assert single.acted_on() == ["web-1"]


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("target", [*SCOPES, "action:restart"])
def test_what_a_pause_denied_is_proposed_again_however_often(target: str, *, ends: bool) -> None:
    loop = Loop(actions={"restart": ACTIONS["restart"]})
    loop.slow = True
    loop.open("web-1")
    for again in range(4):
        loop.order(target, "paused", until_us=START + int(loop.seconds + 30) * S if ends else None)
        loop.deliver()
        assert loop.denied() == ["pause"] * (again + 1)
        loop.wait(loop.seconds + 29)
        assert len(loop.proposed()) == again + 1
        if not ends:
            loop.order(target, "running")
        loop.wait(loop.seconds + 2)
        assert len(loop.proposed()) == again + 2
    loop.deliver()
    assert loop.acted_on() == ["web-1"]
    assert all(one.hold_out == loop.proposed()[0].hold_out for one in loop.proposed())


def test_what_a_pause_denied_is_not_proposed_again_when_it_is_over() -> None:
    loop = Loop()
    loop.slow = True
    loop.open("web-1")
    loop.order("loop", "paused")
    loop.deliver()
    loop.close("web-1")
    loop.order("loop", "running")
    loop.wait(60)
    assert len(loop.proposed()) == 1


def test_a_denial_by_a_pause_that_is_not_told_yet_is_not_repeated_at_once() -> None:
    processor = policy()
    (one,) = _proposals(processor.on_batch(recorded(recurrence("e1")), at(0)))
    denied = verdict(one, "deny", 1, decided_by="pause")
    assert processor.on_batch(recorded(denied, experience(one, "censored", None), first=1), at(1)) == []
    assert processor.next_time() == START + 2 * S
    processor.on_batch(recorded(blocked(loop=0), first=3), at(1.5))
    assert processor.next_time() is None
    processor.on_batch(recorded(blocked(1, loop=-1), first=4), at(9))
    (again,) = _proposals(processor.on_time(at(9)))
    assert again.episode == "e1"


def test_what_waited_is_decided_one_after_the_other_so_that_limits_cost_none_of_its_attempts() -> None:
    """Five actions a minute, of twelve that waited: the others go on waiting until there is room."""
    often = {"restart": ActionSettings(name="restart", limit="100/hour")}
    loop = Loop(gate=GateSettings(loop_limit="5/minute"), actions=often)
    loop.order("loop", "paused")
    entities = [f"web-{n}" for n in (3, 1, 2, 9, 8, 7, 6, 5, 4, 0, 11, 10)]
    loop.open(*entities)
    loop.wait(60)
    loop.order("loop", "running")
    assert loop.acted_on() == entities[:5]
    loop.wait(200)
    assert loop.acted_on() == entities
    assert loop.denied() == []


@pytest.mark.parametrize("ramp_s", [0, 40])
def test_places_that_are_taken_or_not_there_yet_after_a_resume_are_waited_for(ramp_s: int) -> None:
    often = {"restart": ActionSettings(name="restart", limit="100/hour")}
    loop = Loop(gate=GateSettings(concurrency=2, ramp_us=ramp_s * S), actions=often)
    loop.lasts = 30.0
    loop.order("loop", "paused")
    entities = [f"web-{n}" for n in (4, 2, 0, 3, 1)]
    loop.open(*entities)
    loop.wait(60)
    loop.order("loop", "running")
    assert len(loop.acted_on()) == (1 if ramp_s else 2)
    loop.wait(180)
    assert loop.acted_on() == entities
    assert loop.denied() == []


def test_who_waits_is_bounded_and_a_newer_episode_takes_the_place_of_an_older_one() -> None:
    processor = policy(open_limit=3, remembered=10)
    told = [recurrence(f"e{n}", f"web-{n}") for n in range(5)]
    (told_of,) = processor.on_batch(recorded(blocked(loop=0), *told, recurrence("e9", "web-4")), at(0))
    assert isinstance(told_of, Overflow)
    assert (told_of.limit, told_of.rows, told_of.examples) == ("policy.open_limit", 1, ("web-0",))
    (rest,) = restored(processor).on_time(at(60))
    assert isinstance(rest, Overflow)
    assert (rest.rows, rest.examples) == (1, ("web-1",))
    processor.on_batch(recorded(blocked(1, loop=-1), first=9), at(1))
    proposals: list[Proposal] = []
    for n in range(10, 13):
        proposals += _proposals(processor.on_time(at(1)))
        processor.on_batch(recorded(verdict(proposals[-1], seconds=1), first=n), at(1))
    assert [one.episode for one in proposals] == ["e2", "e3", "e9"]


def test_one_that_is_released_and_gets_no_answer_lets_the_next_have_its_turn() -> None:
    processor = policy(attempts=1)
    processor.on_batch(recorded(blocked(loop=0), recurrence("e1", "web-1"), recurrence("e2", "web-2")), at(0))
    processor.on_batch(recorded(blocked(1, loop=-1), first=3), at(5))
    (one,) = _proposals(processor.on_time(at(5)))
    assert (one.entity, processor.next_time()) == ("web-1", START + 25 * S)
    assert [other.entity for other in _proposals(processor.on_time(at(25)))] == ["web-2"]


def test_an_arm_is_the_same_however_long_an_episode_waited() -> None:
    shares = {"loop": 0.6, "baseline": 0.2, "none": 0.2}
    for n in range(20):
        first, later = (policy(hold_out=shares) for _ in range(2))
        (at_once,) = _proposals(first.on_batch(recorded(recurrence(f"e{n}")), at(0)))
        later.on_batch(recorded(blocked(loop=0), recurrence(f"e{n}")), at(0))
        later.on_batch(recorded(blocked(1, loop=-1), first=2), at(500))
        (afterwards,) = _proposals(later.on_time(at(500)))
        assert afterwards.hold_out == at_once.hold_out
        assert isinstance(afterwards.hold_out, HoldOut)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 14), max_size=4), st.integers(0, 14))
def test_any_split_and_any_restart_release_the_same(cuts: list[int], restart: int) -> None:
    """Two pauses with anomalies before, within and behind them, one of which a denial by the pause sends back."""
    (one,) = _proposals(policy().on_batch(recorded(recurrence("e0", "web-0")), at(40)))
    told = [
        recurrence("e0", "web-0"),
        blocked(1, loop=0),
        *(recurrence(f"e{n}", f"web-{9 - n}") for n in range(1, 5)),
        verdict(one, "deny", 39, decided_by="pause"),
        experience(one, "censored", None),
        closed(39, "e3", "web-6"),
        blocked(2, loop=-1, **{"entity__web-8": 30}),
        blocked(3, loop=0),
        recurrence("e9", "web-9"),
        blocked(4, loop=-1),
    ]
    records = recorded(*told)
    whole, parts = policy(), policy()
    expected = whole.on_batch(records, at(40))
    assert [other.episode for other in _proposals(expected)] == ["e0"]
    outputs: list[Event] = []
    places = [0, *sorted(min(cut, len(records)) for cut in [*cuts, restart]), len(records)]
    for start, stop in pairwise(places):
        if start == restart:
            state, parts = parts.snapshot(), policy()
            parts.restore(state)
        outputs += parts.on_batch(records[start:stop], at(40))
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()
    released = []
    for seconds in range(60, 1000, 20):  # nobody answers: each is given up, and proposed again, ever more rarely
        free = whole.on_time(at(seconds))
        assert parts.on_time(at(seconds)) == free
        released += [other.episode for other in _proposals(free)]
    assert released == ["e1", "e2", "e4", "e0", "e9", "e1", "e2"]  # each has its turn


def restored(processor: Policy) -> Policy:
    """Return another policy with the state of one."""
    again = policy(open_limit=3, remembered=10)
    again.restore(processor.snapshot())
    return again


def _proposals(events: Iterable[Event]) -> list[Proposal]:
    return [event for event in events if isinstance(event, Proposal)]
