"""A gate keeps what it worked out for as long as it holds: one made anew of its state before every record, which can
have kept nothing, says the same to the last byte, whatever comes in whatever order.
"""

import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from schemas import wire
from schemas.events import (
    Action,
    Approval,
    Blocked,
    Control,
    Event,
    Experience,
    LevelChange,
    Pattern,
    Promotion,
    Verdict,
)
from schemas.ids import Cause, derive
from streams.loop.actions import ActionSettings
from streams.loop.gate import LEVELS, Gate, GateSettings, LevelSettings
from streams.loop.processor import Now, Record
from tests.loop.gate_bench import SECOND, START, approval, census, closed, control, opened, outcome, proposal

HASH = "own"
ENTITIES = tuple(f"e{number}" for number in range(6))
PATTERNS = ("p-1", "p-1", "p-2", "p-3", "novel")
TARGETS = ("loop", "action:restart", "pattern:p-1", "entity:e0", "entity:e1")
ACTIONS = {
    "restart": ActionSettings(name="restart", limit="12/5m and 60/day", cooldown_us=2 * SECOND, expires_us=5 * SECOND),
    "shed": ActionSettings(name="shed", limit="4/30s", cooldown_us=0, cost=0.2, wait_us=3 * SECOND),
    "wipe": ActionSettings(name="wipe", risk="high", reversible=False, cooldown_us=SECOND),
}
TIGHT = GateSettings(
    loop_limit="9/20s and 90/10m",
    pattern_limit="2/20s",
    entity_attempts="2/30s",
    explore_limit="3/30s",
    escalation_limit="5/30s",
    cost_a_day=20.0,
    concurrency=2,
    ramp_us=10 * SECOND,
    blast_count=2,
    blast_window_us=15 * SECOND,
    healthy_share=0.2,
    control_timeout_us=5 * SECOND,
    evidence_age_us=10 * SECOND,
    approval_window_us=20 * SECOND,
    outcome_timeout_us=5 * SECOND,
    failed_least=2,
    failed_window_us=30 * SECOND,
    census_age_us=20 * SECOND,
    protected=("e5",),
    maintenance=("Tue 22:16 - 22:17 UTC",),
    remembered=40,
    tracked=40,
)
ROOMY = GateSettings(
    loop_limit="900/hour",
    pattern_limit="900/hour",
    entity_attempts="900/day",
    escalation_limit="900/hour",
    remembered=12,
    concurrency=20,
    failed_least=2,
    failed_window_us=60 * SECOND,
    tracked=30,
)
EARNED = LevelSettings(default="suggest", novel="observe", episodes=1, outcomes=2, wrong=0.5, raising="auto", pairs=6)
TRUSTED = LevelSettings(default="act", novel="approve", alarm_every=6, probation_us=2 * SECOND)
STEPS_US = (0, 0, 0, 0, 10_000, SECOND, 3 * SECOND, 9 * SECOND, 25 * SECOND)
STEPS = 150
MENDED = 0.3


class History:
    """Random records in batches, one `Now` per batch; `gate` lives on, beside it one is made anew for each record."""

    def __init__(self, seed: int, settings: GateSettings, levels: LevelSettings) -> None:
        self.random = random.Random(seed)
        self.settings, self.levels = settings, levels
        self.gate = self.make()
        self.us, self.offset, self.silent_us = START, 0, 0
        self.known: list[Event] = []
        self.verdicts: list[Verdict] = []
        self.actions: list[Action] = []
        self.said: Counter[str] = Counter()
        self.give([control("settings", "loop", HASH), control("pause", "loop", "running")])
        self.give([opened(entity, "blue") for entity in ENTITIES] + self.mend())

    def make(self) -> Gate:
        return Gate(
            self.settings, loop="lab", settings_hash=HASH, actions=ACTIONS, levels=self.levels, baseline="restart"
        )

    def anew(self, state: bytes, fold: Callable[[Gate], list[Event]]) -> tuple[list[Event], bytes]:
        """Let a gate that is made of a state fold something; return what it says, and its state."""
        gate = self.make()
        gate.restore(state)
        return fold(gate), gate.snapshot()

    def both(self, folds: list[Callable[[Gate], list[Event]]], fold: Callable[[Gate], list[Event]]) -> None:
        """Let the gate fold all at once, and one that is made anew for each of `folds`."""
        state, expected = self.gate.snapshot(), []
        for one in folds:
            outputs, state = self.anew(state, one)
            expected += outputs
        outputs = fold(self.gate)
        assert [encoded(event) for event in outputs] == [encoded(event) for event in expected]
        assert outputs == expected
        assert self.gate.snapshot() == state
        self.note(outputs)

    def give(self, events: list[Event]) -> None:
        now = Now(self.us, self.us - self.silent_us)
        records = [Record(Cause("test", 0, self.offset + place), event) for place, event in enumerate(events)]
        self.offset += len(events)
        self.known = [*self.known[-100:], *events]
        self.both(
            [lambda gate, record=record: gate.on_batch([record], now) for record in records],
            lambda gate: gate.on_batch(records, now),
        )

    def step(self) -> None:
        self.us += self.random.choice(STEPS_US)
        self.silent_us = self.random.choice((0, 0, 0, 0, 0, 0, SECOND, 6 * SECOND))
        now = Now(self.us, self.us - self.silent_us)
        if (due_us := self.gate.next_time()) is not None and due_us <= self.us:
            self.both([lambda gate: gate.on_time(now)], lambda gate: gate.on_time(now))
        if self.random.random() < MENDED:
            self.give(self.mend())
        self.give([self.event() for _ in range(self.random.randint(1, 8))])

    def note(self, outputs: list[Event]) -> None:
        for output in outputs:
            match output:
                case Verdict():
                    self.verdicts.append(output)
                    self.said.update(check.name for check in output.checks if not check.passed)
                    self.said[output.verdict] += 1
                case Action():
                    self.actions.append(output)
                case Blocked():
                    self.said.update(f"blocked {scope.partition(':')[0]}" for scope in output.until_us)
                case LevelChange():
                    self.said[f"level {output.reason}"] += 1

    def mend(self) -> list[Event]:
        """Return what lets the loop run again, so that histories are more than one refusal after the other."""
        calm = [self.count(abnormal=0, partition=partition) for partition in (0, 1)]
        target = self.random.choice(TARGETS)
        running = [("rearm", "loop", ""), ("pause", "loop", "running"), ("settings", "loop", HASH)]
        running += [("rearm", target, ""), ("pause", target, "running")]
        running += [("level", "*/restart", "act")] if self.levels.default == "act" else []
        return [*calm, *(self.ordered(*one) for one in running)]

    def event(self) -> Event:
        kinds: list[tuple[Callable[[], Event], int]] = [
            (self.propose, 50),
            (self.end, 20),
            (self.learn, 15),
            (self.answer, 9),
            (self.order, 4),
            (self.change_episode, 4),
            (self.count_anew, 6),
            (self.repeat, 2),
            (self.merge, 1),
            (self.promote, 1),
        ]
        ((make, _),) = self.random.choices(kinds, [weight for _, weight in kinds])
        return make()

    def propose(self) -> Event:
        entity = self.random.choice(ENTITIES)
        (action,) = self.random.choices((*ACTIONS, "none", "gone"), (10, 4, 3, 3, 1))
        likely, arm = self.random.choice((0.8, 0.8, 0.3)), self.random.choice(("loop", "loop", "none", "baseline"))
        (late_us,) = self.random.choices((0, SECOND, 20 * SECOND, -9 * SECOND), (30, 10, 1, 1))
        return proposal(
            f"q-{self.offset}-{self.random.random()}",
            time_us=self.us - late_us,
            expires_us=self.us + 10 * SECOND,
            entity=entity,
            episode=f"episode-{entity}",
            pattern=self.random.choice(PATTERNS),
            action=action,
            probabilities={action: likely, "other": 1 - likely},
            hold_out={"draw": 0.5, "arm": arm, "shares": {"loop": 0.5, "none": 0.3, "baseline": 0.2}},
            group="blue",
            by=self.random.choice(("loop", "loop", "loop", "bob")),
        )

    def end(self) -> Event:
        if not self.actions:
            return self.propose()
        ended = self.random.choice(self.actions[-8:])
        return outcome(ended, self.random.choice(("claimed", "succeeded", "failed", "failed", "refused", "unknown")))

    def learn(self) -> Event:
        verdict = self.random.choice(self.verdicts[-20:]) if self.verdicts else None
        if verdict is None:
            return self.propose()
        one, state = verdict.proposal, self.random.choice(("observed", "observed", "defaulted", "late", "unobservable"))
        values = {
            "id": derive("experience", one.id, state),
            "time_us": self.us,
            "proposal": one.id,
            "entity": one.entity,
            "episode": one.episode,
            "pattern": one.pattern,
            "arm": one.hold_out.arm if one.hold_out else "loop",
            "state": state,
            "proposed": one.action,
            "effective": one.action,
            "effective_probability": one.propensity,
            "verdict": verdict.verdict,
            "reward": self.random.choice((0.9, 0.9, 0.9, 0.0, None)) if verdict.action else 0.0,
            "action": verdict.action,
            "decided_us": verdict.time_us,
        }
        return msgspec.convert(values, Experience)

    def order(self) -> Event:
        target = self.random.choice(TARGETS)
        kind, on, value = self.random.choice(
            (
                ("pause", target, "paused"),
                ("pause", target, "running"),
                ("stop", target, ""),
                ("rearm", target, ""),
                ("level", self.random.choice(("*/restart", "p-1/shed", "p-2/restart")), self.random.choice(LEVELS)),
                ("settings", "loop", "others"),
                ("settle", self.actions[-1].id if self.actions else "none-such", "failed"),
            )
        )
        return self.ordered(
            kind, on, value, self.random.choice((None, self.us, self.us + SECOND, self.us + 9 * SECOND))
        )

    def ordered(self, kind: str, target: str, value: str, until_us: int | None = None) -> Control:
        return msgspec.structs.replace(
            control(kind, target, value),
            id=f"control-{self.random.random()}",
            time_us=self.us,
            until_us=until_us if kind == "pause" else None,
        )

    def answer(self) -> Event:
        asked = [verdict for verdict in self.verdicts[-60:] if verdict.verdict == "escalate"]
        if not asked:
            return self.propose()
        yes: Approval = approval(
            self.random.choice(asked[-6:]), time_us=self.us, person=self.random.choice(("bob", "cleo"))
        )
        return msgspec.structs.replace(yes, decision=self.random.choice(("approve", "approve", "approve", "reject")))

    def count_anew(self) -> Event:
        abnormal, late_us = self.random.choice((0, 1, 8, 9)), self.random.choice((0, 0, 5 * SECOND))
        return self.count(abnormal=abnormal, partition=self.random.choice((0, 1)), late_us=late_us)

    def count(self, *, abnormal: int, partition: int, late_us: int = 0) -> Event:
        one = census(abnormal=abnormal, live=10, time_us=self.us - late_us)
        return msgspec.structs.replace(one, partition=partition, group="blue")

    def change_episode(self) -> Event:
        return self.random.choice((opened, opened, closed))(f"e{self.random.choice((4, 6, 7, 8))}")

    def repeat(self) -> Event:
        return self.random.choice(self.known)

    def promote(self) -> Event:
        name = f"m-{self.random.random()}"
        return Promotion(
            id=name, time_us=self.us, component="r", version=name, decision="promote", trained_up_to=(), model=b""
        )

    def merge(self) -> Event:
        old, into = self.random.choice((("p-3", "p-2"), ("p-2", "p-1"), ("p-9", "p-1")))
        return Pattern(
            id=f"merge-{self.random.random()}",
            time_us=self.us,
            pattern=old,
            name="",
            status="merged",
            support=3,
            signature={},
            first_us=START,
            last_us=self.us,
            alias_of=into,
        )


def encoded(event: Event) -> bytes:
    return wire.encode(event, loop="lab").value


LIVES = {
    "tight": (TIGHT, TRUSTED, {"concurrency", "blast-radius", "maintenance", "healthy", "blocked pattern"}),
    "earned": (ROOMY, EARNED, {"level decided", "level promotion", "duplicate", "exploration"}),
    "trusted": (ROOMY, TRUSTED, {"failures", "level missing", "cooldown", "action-budget"}),
}
"""Settings, and some of what must have happened for a life of these to have shown anything."""
ALWAYS = {"abnormal", "pause", "settings", "approval", "allow", "escalate", "blocked entity", "blocked loop"}


@pytest.mark.parametrize("life", LIVES)
def test_a_gate_that_lives_on_says_what_one_says_that_is_made_anew_before_every_record(life: str) -> None:
    settings, levels, expected = LIVES[life]
    said: Counter[str] = Counter()
    for seed in range(2):
        history = History(seed, settings, levels)
        for _ in range(STEPS):
            history.step()
        said += history.said
    assert (ALWAYS | expected) <= set(said), sorted((ALWAYS | expected) - set(said))
