"""Lives of a gate as drawn from a seed: what comes next depends on what the gate said before."""

import random
from collections import Counter
from collections.abc import Callable

import msgspec

from schemas.events import Action, Blocked, Control, Event, LevelChange, Pattern, Promotion, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import LEVELS, Level
from tests.loop.gate_bench import (
    SECOND,
    START,
    approval,
    census,
    closed,
    control,
    experience,
    opened,
    outcome,
    proposal,
)

HASH = "own"
ENTITIES = tuple(f"e{number}" for number in range(6))
PATTERNS = ("p-1", "p-1", "p-2", "p-3", "novel")
TARGETS = ("loop", "action:restart", "pattern:p-1", "entity:e0", "entity:e1")
ACTIONS = {
    "restart": ActionSettings(name="restart", limit="12/5m and 60/day", cooldown_us=2 * SECOND, expires_us=5 * SECOND),
    "shed": ActionSettings(name="shed", limit="4/30s", cooldown_us=0, cost=0.2, wait_us=3 * SECOND),
    "wipe": ActionSettings(name="wipe", risk="high", reversible=False, cooldown_us=SECOND),
}


class Life:
    """Draws events of all kinds at `us`, and notes what the gate says to them: how often, by kind, in `said`.

    `levels` are those that people order of restart, again and again.
    """

    def __init__(self, seed: int, *, levels: tuple[Level, ...]) -> None:
        self.random = random.Random(seed)
        self.levels = levels
        self.us = START
        self.drawn = 0
        self.known: list[Event] = []
        self.verdicts: list[Verdict] = []
        self.actions: list[Action] = []
        self.said: Counter[str] = Counter()

    def begin(self) -> list[Event]:
        """Return what lets the loop run, with an open episode for each entity."""
        return [*(opened(entity, "blue") for entity in ENTITIES), *self.mend()]

    def note(self, outputs: list[Event]) -> None:
        """Note what the gate said: what is drawn next is about that."""
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
        running += [("level", "*/restart", self.random.choice(self.levels))]
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
        self.known = [*self.known[-100:], make()]
        return self.known[-1]

    def name(self, kind: str) -> str:
        """Return an id that no other event has."""
        self.drawn += 1
        return f"{kind}-{self.drawn}"

    def propose(self) -> Event:
        entity = self.random.choice(ENTITIES)
        (action,) = self.random.choices((*ACTIONS, "none", "gone"), (10, 4, 3, 3, 1))
        likely, arm = self.random.choice((0.8, 0.8, 0.3)), self.random.choice(("loop", "loop", "none", "baseline"))
        (late_us,) = self.random.choices((0, SECOND, 20 * SECOND, -9 * SECOND), (30, 10, 1, 1))
        return proposal(
            self.name("q"),
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
        if not self.verdicts:
            return self.propose()
        verdict = self.random.choice(self.verdicts[-20:])
        state = self.random.choice(("observed", "observed", "defaulted", "late", "unobservable"))
        reward = self.random.choice((0.9, 0.9, 0.9, 0.0, None)) if verdict.action else 0.0
        return experience(verdict, reward=reward, time_us=self.us, state=state)

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
            id=self.name("control"),
            time_us=self.us,
            until_us=until_us if kind == "pause" else None,
        )

    def answer(self) -> Event:
        asked = [verdict for verdict in self.verdicts[-60:] if verdict.verdict == "escalate"]
        if not asked:
            return self.propose()
        yes = approval(self.random.choice(asked[-6:]), time_us=self.us, person=self.random.choice(("bob", "cleo")))
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
        return self.random.choice(self.known) if self.known else self.propose()

    def promote(self) -> Event:
        name = self.name("m")
        return Promotion(
            id=name, time_us=self.us, component="r", version=name, decision="promote", trained_up_to=(), model=b""
        )

    def merge(self) -> Event:
        old, into = self.random.choice((("p-3", "p-2"), ("p-2", "p-1"), ("p-9", "p-1")))
        return Pattern(
            id=self.name("merge"),
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
