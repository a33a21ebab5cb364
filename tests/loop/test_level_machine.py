"""Levels in the gate's state machine: whatever is learned, ordered and promoted, what was told is what holds."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from schemas.events import Control, Event, LevelChange, Pattern, Promotion, Verdict
from schemas.ids import derive
from streams.loop.gate import LEVELS, Gate
from streams.loop.gate.orders import hear, level_of, lower
from streams.loop.gate.pairs import Pairs
from streams.loop.gate.state import Orders
from tests.loop.gate_bench import SECOND, experience
from tests.loop.test_gate_machine import ENTITIES, EXAMPLES, HASH, GateMachine

HASTY = {
    "raising": "auto",
    "episodes": 1,
    "outcomes": 1,
    "wrong": 0.5,
    "alarm_every": 3,
    "missing": 0.4,
    "probation_us": 5 * SECOND,
    "earn_within_us": 40 * SECOND,
    "exact": {"p-1/restart": "observe", "p-2/restart": "approve", "p-1/shed": "suggest"},
}
"""Little proves much here: levels change all the time."""
REWARDS = st.sampled_from((0.9, 0.9, 0.4, 0.0, -0.3, None))


class LevelMachine(GateMachine):
    """The machine of the gate, in which outcomes are learned from as well."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.told: Pairs | None = None
        self.unlearned: list[Verdict] = []
        self.arm, self.would = "loop", ""
        super().__init__()

    def make(self) -> Gate:
        levels = self.levels = msgspec.structs.replace(self.levels, **HASTY)
        if not self.orders.heard:  # the run has not begun
            self.told = Pairs(levels, actions=self.actions, baseline="restart")
        return Gate(
            self.settings,
            loop="lab",
            settings_hash=HASH,
            actions=self.actions,
            levels=levels,
            baseline="restart",
        )

    def drawn(self, action: str, likely: float) -> dict[str, object]:
        if self.arm == "loop":
            return super().drawn(action, likely)
        shares = {"loop": 0.6, "baseline": 0.2, "none": 0.2}
        return {"probabilities": {self.would: 1.0}, "hold_out": {"draw": 0.7, "arm": self.arm, "shares": shares}}

    def give(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, Control):
                assert self.told is not None
                hear(self.orders, self.told.names.renamed(event), self.us)
            super().give(event)

    def note(self, outputs: list[Event]) -> None:
        """Hold every new verdict against what was told before it, and every change against what it changed."""
        assert self.told is not None
        for output in outputs:
            if isinstance(output, Verdict):
                one = output.proposal
                if all(before.id != output.id for before in self.verdicts.get(one.id, [])):
                    level = self.told.level(self.orders, one.pattern, one.action, self.us)
                    assert output.level == (lower(level, "approve") if one.asked else level)
                    if output.verdict == "allow":
                        self.unlearned.append(output)
            elif isinstance(output, LevelChange):
                self.check(output)
                self.told.recall(output)
        super().note(outputs)

    def check(self, change: LevelChange) -> None:
        assert self.told is not None
        if change.reason == "promotion":
            return
        known = self.told.find(change.pattern, change.action)
        step = LEVELS.index(change.level) - LEVELS.index(change.was)
        match change.reason:
            case "decided" | "earned":
                assert step == 1
                assert change.pattern != "novel"
                assert change.reason == "decided" or change.level == "act"
            case "harm" | "worse" | "missing":
                assert step == -1
            case "unknown":
                assert step == 0
            case "unmeasured" | "needless" | "slow" | "sparse" | "noisy":
                assert step == 0 or change.level == (change.start if change.start == "approve" else "suggest")
                assert step <= 0
            case "merged":
                assert step < 0
            case "ordered":
                assert known is not None
                declared = self.actions[change.action]
                assert change.level == level_of(self.orders, self.levels, change.pattern, declared)
        if change.reason != "ordered":
            assert change.was == self.told.standing(self.orders, change.pattern, change.action)

    @rule(
        number=st.integers(0, 20),
        reward=REWARDS,
        state=st.sampled_from(("observed", "observed", "observed", "defaulted", "unobservable", "late")),
    )
    def learn(self, number: int, reward: float | None, state: str) -> None:
        if not self.unlearned:
            return
        verdict = self.unlearned[number % len(self.unlearned)]
        if state != "defaulted":
            self.unlearned.remove(verdict)
        told = experience(verdict, reward=None if state == "unobservable" else reward, time_us=self.us, state=state)
        self.give(
            msgspec.structs.replace(
                told,
                id=derive("experience", told.proposal, state, self.offset),  # it is said again, and otherwise
                cost=max(0.0, -(reward or 0.0)),  # below 0 is what only an action with a cost can earn
                asked=verdict.proposal.asked,
                unasked_reward=told.reward,
            )
        )

    @rule(
        pattern=st.sampled_from(("p-1", "p-2")),
        action=st.sampled_from(("restart", "restart", "shed")),
        rewards=st.sampled_from(((0.9, 0.0), (0.9, 0.0), (-0.1, 0.9))),
        times=st.integers(3, 9),
    )
    def see_several_through(self, pattern: str, action: str, rewards: tuple[float, float], times: int) -> None:
        """Let one action run, and in hold-outs of what it is chosen for the baseline and nothing, each time to its end,
        and be learned from; who is asked approves.
        """
        for number in range(times):
            self.pass_time(2.0)
            for arm, what, reward in (
                ("loop", action, rewards[0]),
                ("baseline", "restart", 0.0),
                ("none", "none", rewards[1]),
            ):
                self.arm, self.would = arm, action
                self.see_through(f"e{number % 4}", what, pattern, reward)
        self.arm = "loop"

    def see_through(self, entity: str, action: str, pattern: str, reward: float) -> None:
        before = len(self.unlearned)
        self.propose(entity, action, pattern, sure=True)
        if self.waiting():
            self.answer(-1, "approve", "bob")
        if action != "none" and self.running():
            self.end(-1, "succeeded")
        if len(self.unlearned) > before:
            self.learn(-1, reward, "observed")

    @rule(decision=st.sampled_from(("promote", "hold", "roll-back")))
    def promote(self, decision: str) -> None:
        values = {
            "id": f"promotion-{self.offset}",
            "time_us": self.us,
            "component": "policy",
            "version": "1",
            "decision": decision,
            "trained_up_to": (),
            "model": "",
        }
        self.give(msgspec.convert(values, Promotion))

    def act_on_two(self, pattern: str) -> None:
        """Let what people order to act do so in a loop that runs, as far as all else allows it."""
        self.pass_time(0.01)
        self.order("loop", paused=False, seconds=None)
        self.stop_or_rearm("loop", stop=False)
        self.count(0)
        self.say("level", f"{pattern}/restart", "act")
        for entity in ENTITIES[:2]:
            self.propose(entity, "restart", pattern, sure=True)
            if self.running():
                self.end(-1, "succeeded")

    @rule(old=st.sampled_from(("p-1", "p-2")), rarely=st.integers(0, 2), spend=st.booleans())
    def merge(self, old: str, rarely: int, spend: bool) -> None:
        if rarely:  # it is for ever
            return
        new = "p-2" if old == "p-1" else "p-1"
        if spend:
            self.act_on_two(old)
        self.join(old, new)
        if spend:
            self.act_on_two(new)

    def join(self, old: str, new: str) -> None:
        assert self.told is not None
        if not self.counts_as:  # the other way round it would be a circle
            self.counts_as = {old: new}
        self.give(
            Pattern(
                id=f"merged-{self.offset}",
                time_us=self.us,
                pattern=old,
                name=old,
                status="merged",
                support=3,
                signature={},
                first_us=0,
                last_us=0,
                alias_of=new,
            )
        )
        self.told.join(old, new, self.orders)


LevelMachine.TestCase.settings = settings(GateMachine.TestCase.settings, max_examples=EXAMPLES // 4)
TestLevelMachine = pytest.mark.timeout(EXAMPLES)(LevelMachine.TestCase)  # a second per run, at most
