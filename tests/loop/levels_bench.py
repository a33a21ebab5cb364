"""A gate whose pairs earn and lose their levels: what was decided, ran, and came of it, one episode after the other."""

import msgspec

from schemas.events import ASK, Action, Approval, Event, LevelChange, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from tests.loop.gate_bench import SECOND, Bench, actions, approval, experience, opened, outcome, proposal, verdicts

ENDLESS = "10000/hour"
WIDE = GateSettings(
    loop_limit=ENDLESS,
    pattern_limit=ENDLESS,
    entity_attempts=ENDLESS,
    explore_limit=ENDLESS,
    escalation_limit=ENDLESS,
    cost_a_day=1e6,
    concurrency=1_000,
    failed_least=1_000,
    evidence_age_us=10 * SECOND,
)
ACTIONS = {
    name: ActionSettings(name=name, limit=ENDLESS, cooldown_us=0, reversible=name != "wipe")
    for name in ("restart", "recycle", "wipe")
}
GOOD, BAD = 0.7, -0.05
"""Rewards of an action that helped, and of one that did not."""


class LevelBench(Bench):
    """Restart is the baseline. `changes` is all that was told of levels; `again`: every experience comes twice."""

    def __init__(self, *, settings: GateSettings = WIDE, **levels: object) -> None:
        super().__init__(settings=settings, actions=ACTIONS)
        self.levels = msgspec.convert({"default": "suggest", "raise": "auto"} | levels, LevelSettings)
        self.actions = ACTIONS
        self.baseline = "restart"
        self._settings = settings
        self.gate = self.make()
        self.changes: list[LevelChange] = []
        self.number = 0
        self.again = False
        self.started: list[Action] = []
        self.start()

    def make(self) -> Gate:
        return Gate(
            self._settings,
            loop="lab",
            settings_hash=self.hash,
            actions=self.actions,
            levels=self.levels,
            baseline=self.baseline,
        )

    def give(self, *events: Event) -> list[Event]:
        made = super().give(*events)
        self.changes += [event for event in made if isinstance(event, LevelChange)]
        return made

    def decide(
        self,
        action: str,
        *,
        arm: str = "loop",
        pattern: str = "p-1",
        would: str = "",
        about: str = "recycle",
        **fields: object,
    ) -> Verdict:
        """Propose an action for a new episode of another entity, and return the verdict; who is asked approves.

        `would`: what the loop would have chosen, in a hold-out; where that is `ask`, then `about`.
        """
        self.number += 1
        self.us += 20 * SECOND
        entity = f"n{self.number}"
        self.give(opened(entity))
        one = proposal(
            f"q{self.number}",
            time_us=self.us,
            entity=entity,
            episode=f"episode-{entity}",
            action=action,
            pattern=pattern,
            probabilities={would or action: 1.0} | ({about: 0.0} if would == ASK else {}),
            hold_out={"draw": 0.5, "arm": arm, "shares": {"loop": 0.6, "baseline": 0.2, "none": 0.2}},
            **fields,
        )
        made = self.give(one)
        (verdict,) = verdicts(made)
        if verdict.verdict == "escalate":
            made = self.give(self.approval(verdict))
            (verdict,) = verdicts(made)
        self.started = actions(made)
        return verdict

    def approval(self, asked: Verdict) -> Approval:
        return approval(asked, time_us=self.us, person="bob")

    def run(
        self, action: str, reward: float, *, end: str = "succeeded", state: str = "observed", **fields: str
    ) -> None:
        """Let an action run and be learned from; `end` "" where nobody tells it."""
        verdict = self.decide(action, **fields)
        if end and self.started:
            self.give(outcome(self.started[0], end))
        self.learn(verdict, reward, state=state)

    def learn(self, verdict: Verdict, reward: float | None, *, state: str = "observed") -> None:
        """Tell what came of a proposal."""
        self.us += 18 * SECOND
        one_more = [experience(verdict, reward=reward, time_us=self.us, state=state)]
        self.give(*one_more, *(one_more if self.again else ()))

    def nothing(self, times: int, reward: float = 0.0, *, would: str = "recycle") -> None:
        """Leave episodes alone for which the loop would have chosen an action, which earns `reward`."""
        for _ in range(times):
            self.run("none", reward, arm="none", would=would)

    def rounds(self, times: int, reward: float, *, action: str = "recycle", nothing: float = 0.0) -> None:
        """Let an action run, the baseline (which never helps), and nothing, in turn."""
        for _ in range(times):
            self.run(action, reward)
            self.run("restart", BAD, arm="baseline", would=action)
            self.nothing(1, nothing, would=action)


def told(bench: LevelBench) -> list[tuple[str, str, str, str]]:
    """Return every change of level: of which pair, from, to, why."""
    return [(f"{one.pattern}/{one.action}", one.was, one.level, one.reason) for one in bench.changes]


def asked(**levels: object) -> LevelBench:
    """Return a gate at which recycle and restart begin at approve."""
    return LevelBench(default="approve", **levels)


def acting(**levels: object) -> LevelBench:
    """Return a gate at which recycle has earned to act."""
    bench = asked(**levels)
    bench.rounds(40, GOOD)
    assert told(bench)[0] == ("p-1/recycle", "approve", "act", "earned")
    bench.changes.clear()
    return bench


def harmful(**levels: object) -> LevelBench:
    """Return a gate at which recycle was lowered from approve to suggest."""
    bench = asked(**levels)
    while not bench.changes:
        bench.run("recycle", BAD)
        bench.nothing(1, 0.6)
    assert told(bench) == [("p-1/recycle", "approve", "suggest", "harm")]
    bench.changes.clear()
    return bench


def reopened(bench: LevelBench, **levels: object) -> LevelBench:
    """Return the gate after a restart under other levels."""
    bench.levels = msgspec.structs.replace(bench.levels, **levels)
    snapshot = bench.gate.snapshot()
    bench.gate = bench.make()
    bench.gate.restore(snapshot)
    return bench
