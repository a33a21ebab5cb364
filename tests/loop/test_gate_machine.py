"""The gate as a state machine: whatever comes in whatever order, crashes between any two steps, its promises hold."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.events import ASK, Action, Approval, Event, Verdict
from schemas.ids import Cause
from streams.loop.actions import ActionSettings
from streams.loop.asking import ASK_SCOPE
from streams.loop.gate import LEVELS, Gate, GateSettings, LevelSettings
from streams.loop.gate.state import is_exploring
from streams.loop.limits import parse_limits
from streams.loop.processor import Now, Record
from tests.loop.gate_bench import SECOND, START, census, closed, control, opened, outcome, proposal

EXAMPLES = int(os.environ.get("FLYBALL_EXAMPLES", "2000"))
HASH = "own"
DAY = 86_400 * SECOND
PATTERNS = ("p-1", "p-2", "novel")
ENTITIES = tuple(f"e{number}" for number in range(4))
ACTIONS = {
    "restart": ActionSettings(name="restart", cost=0.1, limit="1000/hour", cooldown_us=0),
    "shed": ActionSettings(name="shed", cost=0.3, limit="1000/hour", cooldown_us=SECOND, wait_us=2 * SECOND),
    "wipe": ActionSettings(name="wipe", cost=0.2, limit="1000/hour", risk="high", cooldown_us=0),
}
WIDE = GateSettings(
    loop_limit="1000/hour",
    pattern_limit="1000/hour",
    entity_attempts="1000/hour",
    explore_limit="1000/hour",
    escalation_limit="1000/hour",
    concurrency=100,
    outcome_timeout_us=10 * SECOND,
    approval_window_us=20 * SECOND,
    blast_window_us=40 * SECOND,
    failed_least=1_000,
)
TIGHT: dict[str, dict[str, Any]] = {
    "loop": {"loop_limit": "2/20s and 4/2m"},
    "pattern": {"pattern_limit": "1/10s and 3/1m"},
    "attempts": {"entity_attempts": "1/30s"},
    "exploring": {"explore_limit": "1/30s"},
    "asking": {"escalation_limit": "1/30s and 2/2m"},
    "cost": {"cost_a_day": 0.5},
    "concurrency": {"concurrency": 2},
    "reach": {"blast_count": 2},
    "action": {},
    "everything": {
        "loop_limit": "3/20s",
        "pattern_limit": "2/10s",
        "entity_attempts": "3/1m",
        "cost_a_day": 1.5,
        "concurrency": 2,
        "blast_count": 3,
        "failed_least": 3,
        "failed_window_us": 30 * SECOND,
    },
}
"""One thing in short supply at a time, and all at once: where everything is tight, one limit hides the others."""
ACTION_LIMITS = {"action": "1/10s and 3/1m", "everything": "2/20s and 8/5m"}
TARGETS = st.sampled_from(("loop", "loop", "action:restart", ASK_SCOPE, "pattern:p-1", "pattern:p-2", "entity:e0"))
STEPS_S = st.sampled_from((0.0, 0.01, 0.5, 2.0, 7.0, 25.0))


def fullest(times: list[int], interval_us: int) -> int:
    return max((sum(start <= time < start + interval_us for time in times) for start in times), default=0)


def ways_of_ending(verdict: Verdict) -> set[str]:
    """Return as what an escalation ended: after enough approvals all checks are made again, else one reason decides."""
    (first, *others) = verdict.checks
    ways = {
        "approved": bool(others) and bool(verdict.approvals),
        "rejected": not others and verdict.approval is not None and first.detail.startswith("rejected by"),
        "expired": not others and first.name == "expiry" and verdict.approval is None,
        "lapsed": not others and first.name == "episode" and verdict.approval is None,
    }
    return {way for way, found in ways.items() if found}


class GateMachine(RuleBasedStateMachine):
    """Feeds a gate that crashes now and then and its twin that never does, and remembers what was let through."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = WIDE
        self.actions = ACTIONS
        self.levels = LevelSettings()
        self.gate, self.twin = self.make(), self.make()
        self.us = START
        self.offset = 0
        self.allowed: list[tuple[Verdict, Action]] = []
        self.verdicts: dict[str, list[Verdict]] = {}
        self.ended_us: dict[str, int] = {}
        self.pauses: dict[str, tuple[bool, int | None]] = {"loop": (True, None)}
        self.stops: set[str] = set()
        self.counts_as: dict[str, str] = {}
        self.known: list[Event] = []

    def make(self) -> Gate:
        return Gate(
            self.settings, loop="lab", settings_hash=HASH, actions=self.actions, levels=self.levels, may_ask=True
        )

    def give(self, *events: Event) -> None:
        now = Now(self.us, self.us)
        for event in events:
            record = Record(Cause("test", 0, self.offset), event)
            self.offset += 1
            outputs = self.gate.on_batch([record], now)
            assert outputs == self.twin.on_batch([record], now), "a gate that was restored goes on as it would have"
            self.note(outputs)

    def note(self, outputs: list[Event]) -> None:
        actions = {output.id: output for output in outputs if isinstance(output, Action)}
        for output in outputs:
            if not isinstance(output, Verdict):
                continue
            self.verdicts.setdefault(output.proposal.id, []).append(output)
            if output.action is not None and output.action in actions:
                action = actions.pop(output.action)
                names = [f"pattern:{name}" for name in PATTERNS if self.alike(name, action.pattern)]
                asked = [ASK_SCOPE] if output.proposal.asked else []
                for target in ("loop", f"action:{action.action}", f"entity:{action.entity}", *names, *asked):
                    assert not self.is_paused(target), f"{target} is paused, and nothing may be let through"
                self.allowed.append((output, action))
                self.hold_against_pattern(action)
                self.ended_us[action.id] = action.expires_us + self.settings.outcome_timeout_us
        assert not actions, "an action without a verdict"

    def drawn(self, action: str, likely: float) -> dict[str, object]:
        """Return how the loop came to propose an action."""
        return {"probabilities": {action: likely, "other": 1 - likely}}

    def alike(self, one: str, other: str) -> bool:
        """Return whether two patterns are names of the same one by now."""
        return self.counts_as.get(one, one) == self.counts_as.get(other, other)

    def hold_against_pattern(self, action: Action) -> None:
        """See that no interval that ends with this action holds more of its pattern, by all names, than is allowed."""
        times = [one.issued_us for _, one in self.allowed if self.alike(one.pattern, action.pattern)]
        for limit in parse_limits(self.settings.pattern_limit):
            spent = sum(us > action.issued_us - limit.interval_us for us in times)
            assert spent <= limit.count, f"{action.pattern} broke {limit}"

    def is_paused(self, target: str) -> bool:
        paused, until_us = self.pauses.get(target, (False, None))
        return target in self.stops or paused != (until_us is not None and self.us >= until_us)

    def waiting(self) -> list[str]:
        return [key for key, verdicts in self.verdicts.items() if verdicts[-1].verdict == "escalate"]

    def running(self) -> list[Action]:
        return [action for _, action in self.allowed if self.ended_us[action.id] > self.us]

    @initialize(tight=st.sampled_from(sorted(TIGHT)))
    def begin(self, tight: str) -> None:
        self.settings = msgspec.structs.replace(WIDE, **TIGHT[tight])
        self.levels = LevelSettings(default="approve" if tight == "asking" else "act", novel="approve")
        limit = ACTION_LIMITS.get(tight, "1000/hour")
        self.actions = {name: msgspec.structs.replace(action, limit=limit) for name, action in ACTIONS.items()}
        self.gate, self.twin = self.make(), self.make()
        self.pauses["loop"] = (False, None)
        self.give(control("settings", "loop", HASH), control("pause", "loop", "running"))
        self.give(*(opened(entity) for entity in ENTITIES))

    @rule(seconds=STEPS_S)
    def pass_time(self, seconds: float) -> None:
        self.us += int(seconds * SECOND)
        while (due_us := self.gate.next_time()) is not None and due_us <= self.us:
            outputs = self.gate.on_time(Now(self.us, self.us))
            assert outputs == self.twin.on_time(Now(self.us, self.us))
            self.note(outputs)

    @rule()
    def crash(self) -> None:
        snapshot = self.gate.snapshot()
        assert snapshot == self.twin.snapshot()
        assert set(msgspec.msgpack.decode(snapshot)["escalations"]) == set(self.waiting())
        self.gate = self.make()
        self.gate.restore(snapshot)
        assert self.gate.snapshot() == snapshot

    @rule(
        entity=st.sampled_from(ENTITIES),
        action=st.sampled_from((*ACTIONS, "none")),
        pattern=st.sampled_from(PATTERNS),
        sure=st.booleans(),
        asked=st.booleans(),
    )
    def propose(self, entity: str, action: str, pattern: str, sure: bool, asked: bool = False) -> None:
        likely, asked = 0.8 if sure else 0.3, asked and action != "none"
        one = proposal(
            f"q-{self.offset}",
            time_us=self.us,
            expires_us=self.us + DAY,
            entity=entity,
            episode=f"episode-{entity}",
            pattern=pattern,
            action=action,
            asked=asked,
            **self.drawn(ASK if asked else action, likely),
        )
        before = self.spent()
        self.known.append(one)
        self.give(one)
        if self.verdicts[one.id][-1].verdict in ("deny", "shadow"):
            assert self.spent() == before, "a refusal spends nothing"

    @rule(
        first=st.integers(0, 3), states=st.lists(st.sampled_from(("succeeded", "failed", "")), min_size=1, max_size=4)
    )
    def act_on_several(self, first: int, states: list[str]) -> None:
        """Propose what looks best for several entities, and let most actions end at once."""
        for place, state in enumerate(states):
            self.propose(ENTITIES[(first + place) % len(ENTITIES)], "restart", "p-1", sure=True)
            if state and self.running():
                self.end(-1, state)

    @rule(number=st.integers(0, 1_000))
    def repeat(self, number: int) -> None:
        if self.known:
            self.give(self.known[number % len(self.known)])

    @rule(number=st.integers(0, 10), state=st.sampled_from(("claimed", "succeeded", "failed", "refused", "unknown")))
    def end(self, number: int, state: str) -> None:
        running = self.running()
        if not running:
            return
        action = running[number % len(running)]
        if state != "claimed":
            self.ended_us[action.id] = self.us
        self.known.append(outcome(action, state))
        self.give(self.known[-1])

    @rule(
        number=st.integers(0, 10),
        decision=st.sampled_from(("approve", "approve", "approve", "reject")),
        person=st.sampled_from(("ada", "bob", "cleo")),
    )
    def answer(self, number: int, decision: str, person: str) -> None:
        waiting = self.waiting()
        if not waiting:
            return
        asked = self.verdicts[waiting[number % len(waiting)]][-1]
        one = asked.proposal
        assert asked.final is not None
        values = {
            "id": f"a-{self.offset}",
            "time_us": self.us,
            "proposal": one.id,
            "proposal_hash": one.digest(),
            "action_hash": asked.final.digest(),
            "decision": decision,
            "person": person,
            "not_after_us": self.us + DAY,
        }
        self.known.append(msgspec.convert(values, Approval))
        self.give(self.known[-1])

    def say(self, kind: str, target: str, value: str, until_us: int | None = None) -> None:
        one = control(kind, target, value)
        self.give(msgspec.structs.replace(one, id=f"control-{self.offset}", time_us=self.us, until_us=until_us))

    @rule(on=TARGETS, paused=st.booleans(), seconds=st.sampled_from((None, None, 1, 20)))
    def order(self, on: str, paused: bool, seconds: int | None) -> None:
        until_us = None if seconds is None else self.us + seconds * SECOND
        self.pauses[on] = (paused, until_us)
        self.say("pause", on, "paused" if paused else "running", until_us)

    @rule(on=TARGETS, stop=st.booleans())
    def stop_or_rearm(self, on: str, stop: bool) -> None:
        if stop:
            self.stops.add(on)
        else:
            self.stops.discard(on)
        self.say("stop" if stop else "rearm", on, "")

    @rule(pair=st.sampled_from(("*/restart", "p-1/shed", "p-1/restart", "novel/wipe")), level=st.sampled_from(LEVELS))
    def set_level(self, pair: str, level: str) -> None:
        self.say("level", pair, level)

    @rule(number=st.integers(0, 10), state=st.sampled_from(("succeeded", "failed", "unknown", "cancelled")))
    def settle_or_cancel(self, number: int, state: str) -> None:
        running = self.running()
        action = running[number % len(running)].id if running else "none-such"
        if running and state != "cancelled":
            self.ended_us[action] = self.us
        self.say("cancel" if state == "cancelled" else "settle", action, state)

    @rule(abnormal=st.integers(0, 8))
    def count(self, abnormal: int) -> None:
        self.give(census(abnormal=abnormal, live=8, time_us=self.us))

    @rule(entity=st.sampled_from(ENTITIES), phase=st.sampled_from((opened, closed)))
    def episode(self, entity: str, phase: Callable[[str], Event]) -> None:
        self.give(phase(entity))

    def spent(self) -> bytes:
        windows = msgspec.msgpack.decode(self.gate.snapshot())
        return msgspec.msgpack.encode([windows["windows"], windows["spent"]])

    @invariant()
    def no_interval_holds_more_than_any_limit_allows(self) -> None:
        scopes: dict[tuple[str, str], list[int]] = {}
        for verdict, action in self.allowed[-40:]:
            names = [(action.action, self.actions[action.action].limit)]
            names += [("loop", self.settings.loop_limit), (f"entity {action.entity}", self.settings.entity_attempts)]
            names += [("exploring", self.settings.explore_limit)] if is_exploring(verdict.proposal) else []
            for name in names:
                scopes.setdefault(name, []).append(action.issued_us)
        asked = [
            one.time_us for verdicts in self.verdicts.values() for one in verdicts[:1] if one.verdict == "escalate"
        ]
        scopes["asking", self.settings.escalation_limit] = asked
        for (name, text), times in scopes.items():
            for limit in parse_limits(text):
                assert fullest(times, limit.interval_us) <= limit.count, f"{name} broke {limit}"

    @invariant()
    def costs_places_and_reach_stay_in_their_bounds(self) -> None:
        costs = sum(round(ACTIONS[action.action].cost * 100) for _, action in self.allowed)  # all within one day
        assert costs <= round(self.settings.cost_a_day * 100)
        running = self.running()
        assert len(running) <= self.settings.concurrency
        assert max(Counter(action.entity for action in running).values(), default=0) <= 1
        for _, action in self.allowed:
            until_us = action.issued_us + self.settings.blast_window_us
            reached = {one.entity for _, one in self.allowed if action.issued_us <= one.issued_us < until_us}
            assert len(reached) <= self.settings.blast_count
        assert not any(action.action == "wipe" and is_exploring(verdict.proposal) for verdict, action in self.allowed)

    @invariant()
    def nothing_that_was_asked_by_choice_runs_without_an_approval(self) -> None:
        for verdict, action in self.allowed:
            if verdict.proposal.asked:
                assert verdict.level == "approve"
                assert action.approvals
                assert {one.decision for one in action.answers} == {"approve"}

    @invariant()
    def every_proposal_is_decided_once_and_every_question_ends_once(self) -> None:
        for verdicts in self.verdicts.values():
            distinct = list({one.id: one for one in verdicts}.values())
            assert all(one.verdict == "escalate" for one in distinct[:-1])
            assert sum(one.action is not None for one in distinct) <= 1
            if distinct[0].verdict == "escalate" and distinct[-1].verdict != "escalate":
                assert len(ways_of_ending(distinct[-1])) == 1, ways_of_ending(distinct[-1])

    @invariant()
    def what_people_are_asked_enough_of_them_approved_and_not_who_chose_it_alone(self) -> None:
        for verdict, action in self.allowed:
            people = {answer.person for answer in action.answers}
            assert action.approvals == verdict.approvals == tuple(answer.id for answer in action.answers)
            if verdict.level == "approve":
                assert len(people) == len(action.answers) >= self.actions[action.action].people_needed
                assert people != {"ada"}, "who activated the settings"


GateMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestGateMachine = pytest.mark.timeout(EXAMPLES)(GateMachine.TestCase)  # a second per run, at most
