"""What the loop chose to ask a person about never runs without an approval, whatever its level."""

import random

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events import ASK, NONE, Blocked, Event, LevelChange, Proposal, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.asking import ASK_SCOPE
from streams.loop.gate import LEVELS, Gate, GateSettings, LevelSettings
from streams.loop.gate.evidence import Pair
from streams.loop.gate.runs import chose_to_ask, chosen_by_loop
from streams.loop.gate.state import is_exploring, read_state
from tests.loop.gate_bench import (
    SECOND,
    START,
    Bench,
    actions,
    approval,
    check_of,
    control,
    experience,
    outcome,
    proposal,
    verdicts,
)
from tests.loop.levels_bench import BAD, GOOD, LevelBench, acting
from tests.loop.levels_bench import asked as at_approve
from tests.loop.levels_bench import told as levels_of

QUICK = {"restart": ActionSettings(name="restart", limit="1000/hour", cooldown_us=0)}
CHANCES = {ASK: 0.6, "restart": 0.3, NONE: 0.1}


class Asking(Bench):
    """A gate whose loop may choose to ask."""

    def __init__(self, level: str, **limits: object) -> None:
        super().__init__(actions=QUICK)
        self._settings = msgspec.convert(limits, GateSettings)
        self._levels = msgspec.convert({"default": level}, LevelSettings)
        self.gate = self.make()
        self.told: list[Blocked] = []
        self.start()

    def make(self, *, may_ask: bool = True) -> Gate:
        return Gate(
            self._settings, loop="lab", settings_hash=self.hash, actions=QUICK, levels=self._levels, may_ask=may_ask
        )

    def give(self, *events: Event) -> list[Event]:
        made = super().give(*events)
        self.told += [event for event in made if isinstance(event, Blocked)]
        return made

    def ask(self, name: str = "p1", entity: str = "e0") -> Verdict:
        made = verdicts(self.give(question(name, entity, time_us=self.us)))
        return made[-1]


def question(name: str = "p1", entity: str = "e0", **fields: object) -> Proposal:
    given = {"entity": entity, "episode": f"episode-{entity}", "asked": True, "probabilities": CHANCES}
    return proposal(name, **(given | fields))


@pytest.mark.parametrize("level", LEVELS)
def test_at_no_level_it_runs_by_itself(level: str) -> None:
    bench = Asking(level)
    verdict = bench.ask()
    below = level in ("observe", "suggest")
    assert verdict.verdict == ("shadow" if below else "escalate")
    assert verdict.level == (level if below else "approve")
    assert verdict.action is None


def test_the_verdict_says_that_it_was_asked_by_choice() -> None:
    assert check_of(Asking("act").ask(), "approval").detail == "approve: the loop chose to ask"
    (by_level,) = verdicts(Asking("approve").give(proposal("p1")))
    assert check_of(by_level, "approval").detail == "approve"


def test_approved_it_runs_and_rejected_it_does_not() -> None:
    for decision, runs in (("approve", 1), ("reject", 0)):
        bench = Asking("act")
        answer = replace(approval(bench.ask(), time_us=START, person="bob"), decision=decision)
        made = bench.give(answer)
        assert len(actions(made)) == runs
        assert verdicts(made)[0].verdict == ("allow" if runs else "deny")


def test_nobody_answering_is_no_approval() -> None:
    bench = Asking("act", approval_window_us=60 * SECOND)
    bench.ask()
    bench.us += 61 * SECOND
    (verdict,) = verdicts(bench.tick())
    assert (verdict.verdict, verdict.decided_by) == ("deny", "expiry")


def test_the_loop_is_told_while_the_limit_leaves_nobody_to_ask_also_by_a_gate_that_was_restored() -> None:
    bench = Asking("act", escalation_limit="1/hour")
    assert not any(ASK_SCOPE in one.until_us for one in bench.told)
    bench.ask()
    assert bench.told[-1].until_us == {ASK_SCOPE: START + 3_600 * SECOND}
    assert bench.ask("p2", "e1").decided_by == "escalations"
    snapshot, again = bench.gate.snapshot(), bench.make()
    again.restore(snapshot)
    assert again.snapshot() == snapshot
    bench.gate = again
    bench.us += 3_600 * SECOND
    assert bench.ask("p3", "e2").verdict == "escalate"
    assert bench.told[-1].until_us == {ASK_SCOPE: bench.us + 3_600 * SECOND}


def test_a_loop_that_may_not_choose_to_ask_is_told_nothing_of_it() -> None:
    bench = Asking("approve", escalation_limit="1/hour")
    bench.gate = bench.make(may_ask=False)
    bench.start()
    bench.told.clear()
    bench.give(proposal("p1"))
    assert bench.told == []


def test_people_can_pause_that_they_are_asked_by_choice() -> None:
    bench = Asking("act")
    bench.give(control("pause", "action:ask", "paused"))
    assert bench.told[-1].until_us == {ASK_SCOPE: 0}
    verdict = bench.ask()
    assert (verdict.verdict, verdict.decided_by) == ("deny", "pause")
    assert check_of(verdict, "pause").detail == "action:ask is paused"
    (other,) = verdicts(bench.give(proposal("p2", entity="e1", episode="episode-e1")))
    assert other.verdict == "allow"


def test_it_explores_where_asking_is_not_the_likeliest_choice() -> None:
    assert not is_exploring(question())
    assert is_exploring(question(probabilities={ASK: 0.3, "restart": 0.6, NONE: 0.1}))


def test_in_a_hold_out_it_would_have_chosen_what_it_would_have_asked_about() -> None:
    held = {"draw": 0.9, "arm": "none", "shares": {"loop": 0.6, "baseline": 0.2, "none": 0.2}}
    chances = {ASK: 0.5, "restart": 0.3, "recycle": 0.1, NONE: 0.1}
    drawn = [chosen_by_loop(proposal(f"q{n}", action=NONE, probabilities=chances, hold_out=held)) for n in range(2_000)]
    assert ASK not in drawn
    assert drawn.count("restart") / len(drawn) == pytest.approx(0.8, abs=0.03)


def test_in_a_hold_out_it_would_have_asked_as_often_as_it_asks() -> None:
    held = {"draw": 0.9, "arm": "none", "shares": {"loop": 0.6, "baseline": 0.2, "none": 0.2}}
    said = [chose_to_ask(proposal(f"q{n}", action=NONE, probabilities=CHANCES, hold_out=held)) for n in range(2_000)]
    assert sum(said) / len(said) == pytest.approx(CHANCES[ASK], abs=0.03)
    assert [chose_to_ask(question(asked=asked)) for asked in (True, False)] == [True, False]


def run_asked(bench: LevelBench, reward: float, *, unasked: float) -> None:
    """Let recycle run as a person approved it by the loop's choice; asking came to less than the action did."""
    verdict = bench.decide("recycle", asked=True)
    bench.give(outcome(bench.started[0], "succeeded"))
    bench.us += 18 * SECOND
    told = experience(verdict, reward=reward, time_us=bench.us)
    bench.give(replace(told, asked=True, cost=told.cost + 0.3, look_cost=0.3, unasked_reward=unasked))


def test_what_was_asked_and_approved_is_evidence_for_the_level_as_any_approved_run() -> None:
    """By what the action did: what asking cost, and the wait for the answer, are none of it."""
    changes: list[list[LevelChange]] = []
    for by_choice in (True, False):
        bench = at_approve()
        for _ in range(40):
            if by_choice:
                run_asked(bench, GOOD - 0.6, unasked=GOOD)
            else:
                bench.run("recycle", GOOD)
            bench.run("restart", -0.05, arm="baseline", would="recycle")
            bench.nothing(1)
        changes.append(bench.changes)
    chosen, made = changes
    assert [(one.action, one.level, one.reason) for one in chosen] == [("recycle", "act", "earned")]
    assert (chosen[0].reward, chosen[0].effect) == (made[0].reward, made[0].effect)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_person_picked_does_not_hold_an_action_at_act(seed: int) -> None:
    """By itself it harms in half of its runs; the two thirds that are asked about run where they help alone."""
    bench, draw = acting(), random.Random(seed)
    for number in range(400):
        is_harmful = draw.random() < 0.5
        if number % 3 == 0:
            bench.run("recycle", BAD if is_harmful else GOOD)
        elif not is_harmful:
            run_asked(bench, GOOD - 0.6, unasked=GOOD)
        bench.nothing(1, 0.55)
        if bench.changes:
            break
    assert [change[:3] for change in levels_of(bench)] == [("p-1/recycle", "act", "approve")]


def test_a_pair_at_act_is_neither_held_nor_lowered_by_what_was_asked_about() -> None:
    """Nor is it by what nothing done, or the baseline, earned where the loop would have asked."""
    bench = acting()
    before = known_of(bench, "recycle")
    for _ in range(60):
        run_asked(bench, BAD - 0.6, unasked=BAD)
        bench.nothing(1, GOOD, would=ASK)
        bench.run("restart", GOOD, arm="baseline", would=ASK)
    assert known_of(bench, "recycle") == before
    bench.rounds(1, GOOD)
    assert known_of(bench, "recycle") != before


@pytest.mark.parametrize(("would", "compared"), [("restart", 1), (ASK, 0)])
def test_the_baseline_that_would_have_been_asked_about_runs_by_itself_but_is_held_against_nothing(
    would: str, compared: int
) -> None:
    bench = LevelBench(default="act")
    bench.run("restart", GOOD, arm="baseline", would=would, about="restart")
    known = known_of(bench, "restart")
    assert (known.outcomes, known.against["none"].mine.count) == (1, compared)


def known_of(bench: LevelBench, action: str) -> Pair:
    (pair,) = [one for one in read_state(bench.gate.snapshot()).ladder.pairs if one.action == action]
    return pair


def test_a_run_that_was_asked_about_and_of_which_nobody_tells_says_nothing_of_a_pair_at_act() -> None:
    for by_choice in (True, False):
        bench = acting()
        for _ in range(60):
            bench.learn(bench.decide("recycle", asked=by_choice), None, state="unobservable")
        assert bool(bench.changes) is not by_choice
