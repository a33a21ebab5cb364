"""The gate's checks: one function per row of the table, each a fact about the present with its numbers."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Literal

import msgspec

from schemas.events import Check
from streams.loop.gate import budgets, safety, validity
from streams.loop.gate.facts import Facts
from streams.loop.gate.state import Question
from streams.loop.gate.table import BY_NAME, RULES

Answer = Literal["allow", "escalate", "deny", "shadow"]
CHECKS: Mapping[str, Callable[[Facts, Question], Check]] = {
    "duplicate": validity.duplicate,
    "pause": validity.pause,
    "control": validity.control,
    "clock": validity.clock,
    "evidence": validity.evidence,
    "settings": validity.settings,
    "declared": validity.declared,
    "expiry": validity.expiry,
    "episode": validity.episode,
    "abnormal": safety.abnormal,
    "failures": safety.failures,
    "protected": safety.protected,
    "maintenance": safety.maintenance,
    "guards": safety.guards,
    "level": safety.level,
    "escalations": safety.escalations,
    "approval": safety.approval,
    "attempts": budgets.attempts,
    "in-flight": safety.in_flight,
    "cooldown": safety.cooldown,
    "wait": safety.wait,
    "concurrency": budgets.concurrency,
    "blast-radius": safety.blast_radius,
    "healthy": safety.healthy,
    "action-budget": budgets.action_budget,
    "pattern-budget": budgets.pattern_budget,
    "loop-budget": budgets.loop_budget,
    "exploration": budgets.exploration,
    "cost": budgets.cost,
}
OF_MOMENT = ("control", "settings", "declared", "abnormal", "failures", "maintenance")
"""Those that look at the action, and at nothing else of a proposal: they are made once for all of one moment."""
_OF_PROPOSAL = tuple(rule.name for rule in RULES if rule.name not in OF_MOMENT)
_ASKED = tuple(CHECKS[name] for name in _OF_PROPOSAL)
_PLACES = {name: place for place, name in enumerate((*OF_MOMENT, *_OF_PROPOSAL))}
_in_order: Callable[[list[Check]], tuple[Check, ...]] = itemgetter(*(_PLACES[rule.name] for rule in RULES))


class Findings(msgspec.Struct, frozen=True, gc=False):
    """Checks that were made, in the table's order, and those of them that failed: the first of these decides."""

    checks: tuple[Check, ...]
    failed: tuple[Check, ...] = ()

    @property
    def answer(self) -> Answer:
        """Return the verdict that they come to."""
        return BY_NAME[self.failed[0].name].failed if self.failed else "allow"

    @property
    def decided_by(self) -> str | None:
        """Return the name of the check that decided, None where all passed."""
        return self.failed[0].name if self.failed else None

    @property
    def retry_after_us(self) -> int | None:
        """Return from when on every failed check that knows its end passes; None when the first does not know."""
        if not self.failed or self.failed[0].next_us is None:
            return None
        return max(check.next_us for check in self.failed if check.next_us is not None)


def findings_of(*checks: Check) -> Findings:
    """Return what checks in the table's order come to."""
    return Findings(checks, tuple([check for check in checks if not check.passed]))


def all_checks(facts: Facts, question: Question) -> Findings:
    """Make every check."""
    made = _of_moment(facts, question) + [ask(facts, question) for ask in _ASKED]
    failed = [check for check in made if not check.passed]
    if not failed:
        return Findings(_in_order(made))
    for check in failed:
        made[_PLACES[check.name]] = with_remedy(check, question)
    return findings_of(*_in_order(made))


def _of_moment(facts: Facts, question: Question) -> list[Check]:
    action = question.proposal.action
    known = facts.moment.get(action)
    if known is None:
        known = facts.moment[action] = [CHECKS[name](facts, question) for name in OF_MOMENT]
    return known


def one_check(name: str, facts: Facts, question: Question) -> Check:
    """Return one check."""
    return with_remedy(CHECKS[name](facts, question), question)


def with_remedy(check: Check, question: Question) -> Check:
    """Return the check with, where it failed, what a person can do about it."""
    if check.passed:
        return check
    return msgspec.structs.replace(check, remedy=BY_NAME[check.name].remedy_of(question.proposal))
