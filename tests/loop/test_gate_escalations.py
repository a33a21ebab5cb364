"""What becomes of an escalation: a person answers, nobody does, or its episode is over."""

import msgspec
import pytest

from schemas.events import Approval, Episode
from streams.loop.gate import LevelSettings
from tests.loop.gate_bench import (
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


def approved(bench: Bench, **fields: object) -> Approval:
    values: dict[str, object] = {
        "id": "a1",
        "time_us": bench.us,
        "proposal": "p1",
        "proposal_hash": proposal("p1").digest(),
        "decision": "approve",
        "person": "ada",
        "not_after_us": bench.us + HOUR,
    }
    return msgspec.convert(values | fields, Approval)


def escalated() -> Bench:
    bench = Bench(levels=LevelSettings(default="approve"))
    bench.start()
    assert verdicts(bench.give(proposal("p1")))[0].verdict == "escalate"
    return bench


def test_an_approval_lets_the_proposal_through_once() -> None:
    bench = escalated()
    bench.us += 300 * SECOND
    outputs = bench.give(approved(bench))
    (verdict,) = verdicts(outputs)
    (action,) = actions(outputs)
    assert (verdict.verdict, verdict.action, verdict.approval) == ("allow", action.id, "a1")
    assert action.approvals == ("a1",)
    assert bench.give(approved(bench), approved(bench, id="a2")) == []
    assert bench.give(proposal("p1")) == [verdict]


ANSWERS: list[tuple[str, Arrange, dict[str, object], str | None, str | None]] = [
    # what happened, the approval, verdict and what decided it (None: no answer, the escalation waits on)
    ("rejected", untouched, {"decision": "reject"}, "deny", "approval"),
    ("another text", untouched, {"proposal_hash": "0" * 64}, None, None),
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
