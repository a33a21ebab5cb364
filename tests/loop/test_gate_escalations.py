"""What becomes of an escalation: a person answers, nobody does, or its episode is over."""

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events import Approval, Episode, FinalAction
from schemas.keyring import Keyring
from schemas.orders import of_key
from streams.loop.gate import Gate, GateSettings, Level, LevelSettings
from tests.loop.gate_bench import (
    ACTIONS,
    HOUR,
    SECOND,
    START,
    Arrange,
    Bench,
    actions,
    census,
    closed,
    control,
    opened,
    proposal,
    untouched,
    verdicts,
)

FINAL = FinalAction(
    proposal="p1",
    entity="e0",
    action="restart",
    episode="episode-e0",
    pattern="p-1",
    settings_hash="hash-of-own-settings",
    parameters={"grace": "1s"},
)


def approved(bench: Bench, **fields: object) -> Approval:
    person = fields.get("person", "bob")
    values: dict[str, object] = {
        "id": f"by-{person}",
        "time_us": bench.us,
        "proposal": "p1",
        "proposal_hash": proposal("p1").digest(),
        "action_hash": FINAL.digest(),
        "decision": "approve",
        "person": person,
        "not_after_us": bench.us + HOUR,
    }
    return msgspec.convert(values | fields, Approval)


def escalated(
    *, needed: int = 1, settings: GateSettings | None = None, level: Level = "approve", **by: object
) -> Bench:
    declared = {"restart": msgspec.structs.replace(ACTIONS["restart"], approvals=needed)}
    bench = Bench(levels=LevelSettings(default=level), actions=declared, settings=settings)
    bench.start()
    (verdict,) = verdicts(bench.give(proposal("p1", **by)))
    assert (verdict.verdict, verdict.final) == ("escalate", FINAL)
    return bench


def test_an_approval_lets_the_proposal_through_once() -> None:
    bench = escalated()
    bench.us += 300 * SECOND
    outputs = bench.give(approved(bench))
    (verdict,) = verdicts(outputs)
    (action,) = actions(outputs)
    assert (verdict.verdict, verdict.action, verdict.approval) == ("allow", action.id, "by-bob")
    assert verdict.approvals == action.approvals == ("by-bob",)
    assert (action.answers, action.final()) == ((approved(bench),), FINAL)
    assert bench.give(approved(bench), approved(bench, id="a2")) == []
    assert bench.give(proposal("p1")) == [verdict]


ANSWERS: list[tuple[str, Arrange, dict[str, object], str | None, str | None]] = [
    # what happened, the approval, verdict and what decided it (None: no answer, the escalation waits on)
    ("rejected", untouched, {"decision": "reject"}, "deny", "approval"),
    ("another text", untouched, {"proposal_hash": "0" * 64}, None, None),
    ("another action", untouched, {"action_hash": "0" * 64}, None, None),
    ("no action", untouched, {"action_hash": ""}, None, None),
    ("too late an answer", untouched, {"not_after_us": START}, None, None),
    ("another proposal", untouched, {"proposal": "p9"}, None, None),
    ("paused since", lambda b: b.give(control("pause", "loop", "paused")), {}, "deny", "pause"),
    ("lowered since", lambda b: b.give(control("level", "p-1/restart", "observe")), {}, "shadow", "level"),
    ("storm since", lambda b: b.give(census(abnormal=9, live=9)), {}, "deny", "abnormal"),
]


@pytest.mark.parametrize(("case", "arrange", "fields", "answer", "by"), ANSWERS)
def test_an_approval_is_an_input_like_others_and_all_checks_run_again(
    case: str, arrange: Arrange, fields: dict[str, object], answer: str | None, by: str | None
) -> None:
    bench = escalated()
    arrange(bench)
    outputs = bench.give(approved(bench, **fields))
    assert actions(outputs) == []
    assert [(verdict.verdict, verdict.decided_by) for verdict in verdicts(outputs)] == (
        [(answer, by)] if answer else []
    )


def test_an_escalation_that_nobody_answers_is_denied_never_approved() -> None:
    bench = escalated()
    bench.us = START + 600 * SECOND
    (verdict,) = verdicts(bench.tick())
    assert (verdict.verdict, verdict.decided_by) == ("deny", "expiry")
    assert bench.give(approved(bench)) == []


def test_an_escalation_lapses_with_its_episode() -> None:
    bench = escalated()
    (verdict,) = verdicts(bench.give(closed("e0")))
    assert (verdict.verdict, verdict.decided_by) == ("deny", "episode")
    assert bench.give(approved(bench)) == []
    late = msgspec.structs.replace(opened("e0"), id="again")
    assert isinstance(late, Episode)
    assert verdicts(bench.give(late, proposal("p2")))[0].decided_by == "episode"


def heard(bench: Bench, *people: str, **fields: object) -> list[tuple[str, tuple[str, ...]]]:
    """Return what the gate said to the approvals of some people, one after the other: verdict and whose it lists."""
    return [
        (verdict.verdict, verdict.approvals)
        for person in people
        for verdict in verdicts(bench.give(approved(bench, person=person, **fields)))
    ]


def test_two_people_must_approve_where_the_action_says_so() -> None:
    bench = escalated(needed=2)
    assert heard(bench, "bob") == [("escalate", ("by-bob",))]
    assert heard(bench, "bob") == []
    assert heard(bench, "bob", id="again") == [("escalate", ("again",))]
    assert heard(bench, "cleo") == [("allow", ("again", "by-cleo"))]
    assert heard(bench, "dan") == []


def test_what_several_must_approve_never_acts_by_itself() -> None:
    escalated(needed=2, level="act")


def test_of_high_risk_two_people_are_asked_but_only_where_people_are() -> None:
    declared = {"restart": msgspec.structs.replace(ACTIONS["restart"], risk="high")}
    bench = Bench(levels=LevelSettings(default="approve"), actions=declared)
    bench.start()
    bench.give(proposal("p1"))
    assert heard(bench, "bob", "cleo") == [("escalate", ("by-bob",)), ("allow", ("by-bob", "by-cleo"))]
    acting = Bench(levels=LevelSettings(default="act"), actions=declared)
    acting.start()
    assert [verdict.verdict for verdict in verdicts(acting.give(proposal("p1")))] == ["allow"]


def test_one_reject_ends_it_whoever_approved() -> None:
    bench = escalated(needed=3)
    heard(bench, "bob", "cleo")
    (verdict,) = verdicts(bench.give(approved(bench, person="dan", decision="reject", reason="no")))
    assert (verdict.verdict, verdict.approval, verdict.approvals) == ("deny", "by-dan", ())
    assert verdict.checks[0].detail == "rejected by dan: no"
    assert heard(bench, "eve") == []


def test_approvals_count_over_identical_bytes_and_while_they_hold() -> None:
    bench = escalated(needed=2)
    assert heard(bench, "bob", action_hash="0" * 64) == []
    assert heard(bench, "bob", not_after_us=bench.us + 10) == [("escalate", ("by-bob",))]
    bench.us += 10
    assert heard(bench, "cleo") == [("escalate", ("by-cleo",))]
    assert heard(bench, "bob", id="again") == [("allow", ("by-cleo", "again"))]


def test_who_activated_the_settings_is_not_the_only_one_to_approve() -> None:
    bench = escalated()
    (verdict,) = verdicts(bench.give(approved(bench, person="ada")))
    assert (verdict.verdict, verdict.decided_by) == ("escalate", "approval")
    assert "ada chose the action or these settings: another person must approve too" in verdict.checks[0].detail
    assert heard(bench, "bob") == [("allow", ("by-ada", "by-bob"))]


def by_machine(**fields: object) -> Bench:
    """Return a bench with a question under settings that a machine's key activated, in somebody's name."""
    bench = escalated(**fields)  # type: ignore[arg-type]
    activated = of_key(replace(control("settings", "loop", bench.hash), id="by-machine"), "control-0a1b")
    assert activated.by == "ada, key control-0a1b"
    bench.give(activated)
    return bench


def test_where_a_machines_key_activated_the_settings_one_person_is_never_enough() -> None:
    bench = by_machine()
    (verdict,) = verdicts(bench.give(approved(bench, person="bob")))
    assert (verdict.verdict, verdict.decided_by) == ("escalate", "approval")
    assert "who activated these settings is not known: a machine's key signed that" in verdict.checks[0].detail
    assert heard(bench, "cleo") == [("allow", ("by-bob", "by-cleo"))]
    assert heard(by_machine(settings=GateSettings(own_approval=True)), "bob") == [("allow", ("by-bob",))]


def test_who_proposed_the_action_is_not_the_only_one_to_approve() -> None:
    bench = escalated(by="bob")
    own = {"proposal_hash": proposal("p1", by="bob").digest()}
    assert heard(bench, "bob", **own) == [("escalate", ("by-bob",))]
    assert heard(bench, "cleo", **own) == [("allow", ("by-bob", "by-cleo"))]


def test_a_loop_that_one_person_runs_alone_may_say_so() -> None:
    bench = escalated(settings=GateSettings(own_approval=True))
    assert heard(bench, "ada") == [("allow", ("by-ada",))]


def test_approvals_survive_a_restart_and_the_snapshot_is_the_same() -> None:
    bench, other = escalated(needed=2), escalated(needed=2)
    heard(bench, "bob")
    other.gate.restore(bench.gate.snapshot())
    assert other.gate.snapshot() == bench.gate.snapshot()
    assert heard(other, "cleo") == [("allow", ("by-bob", "by-cleo"))]


def test_other_settings_need_other_approvals() -> None:
    """What was approved under the former settings is another action, even with equal parameters."""
    bench = escalated(needed=2)
    heard(bench, "bob")
    declared = {"restart": msgspec.structs.replace(ACTIONS["restart"], approvals=2)}
    after = Gate(GateSettings(), loop="lab", settings_hash="other", actions=declared)
    after.restore(bench.gate.snapshot())
    bench.gate, bench.hash = after, "other"
    bench.give(control("settings", "loop", "other"))
    changed = {"action_hash": msgspec.structs.replace(FINAL, settings_hash="other").digest()}
    assert heard(bench, "cleo") == []
    assert heard(bench, "cleo", **changed) == [("escalate", ("by-cleo",))]


def test_an_answer_to_an_action_that_is_no_longer_declared_ends_it() -> None:
    bench = escalated()
    after = Gate(GateSettings(), loop="lab", settings_hash=bench.hash, actions={})
    after.restore(bench.gate.snapshot())
    bench.gate = after
    (verdict,) = verdicts(bench.give(approved(bench)))
    assert (verdict.verdict, verdict.decided_by) == ("deny", "declared")


def test_where_it_is_no_longer_declared_a_withdrawn_approval_ends_it() -> None:
    bench = escalated(needed=2)
    heard(bench, "bob")
    after = Gate(GateSettings(), loop="lab", settings_hash=bench.hash, actions={})
    after.restore(bench.gate.snapshot())
    bench.gate = after
    nobody = msgspec.json.encode(Keyring(version=2, keys=())).decode()
    (verdict,) = verdicts(bench.give(control("keyring", "loop", nobody)))
    assert (verdict.verdict, verdict.decided_by, verdict.final) == ("deny", "declared", None)


ENDS: list[tuple[str, Arrange, str | None]] = [
    # what ends it, and the remedy: none where nothing brings it back
    ("rejected", lambda b: b.give(approved(b, decision="reject")), None),
    ("lapsed", lambda b: b.give(closed("e0")), None),
    ("expired", lambda b: [setattr(b, "us", START + HOUR), *b.tick()], "propose it anew"),
]


@pytest.mark.parametrize(("case", "end", "remedy"), ENDS)
def test_an_escalation_that_ended_names_no_remedy_that_cannot_work(case: str, end: Arrange, remedy: str | None) -> None:
    bench = escalated()
    end(bench)
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert (verdict.verdict, [check.remedy for check in verdict.checks]) == ("deny", [remedy])
