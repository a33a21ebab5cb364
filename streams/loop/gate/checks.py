"""The gate's checks, one function per row of the table, each a fact about the present; and what they come to."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from schemas.events import Check
from streams.loop.gate import budgets, safety, validity
from streams.loop.gate.facts import Facts, Moment
from streams.loop.gate.state import Question
from streams.loop.gate.table import BY_NAME

Answer = Literal["allow", "escalate", "deny", "shadow"]


class Findings(msgspec.Struct, frozen=True, gc=False):
    """Checks that were made, in the table's order, and what they come to: the verdict, and the first that failed.

    From `retry_after_us` on every failed one that knows its end passes; None where the first does not know.
    """

    checks: tuple[Check, ...]
    answer: Answer = "allow"
    decided_by: str | None = None
    retry_after_us: int | None = None


def findings_of(*checks: Check) -> Findings:
    """Return what checks in the table's order come to."""
    failed = [check for check in checks if not check.passed]
    return _refusal(checks, failed) if failed else Findings(checks)


def before_level(facts: Facts, question: Question) -> tuple[Check, ...]:
    """Make the checks that come before that of the level, in the table's order."""
    moment = facts.moment.get(question.proposal.action) or _look_around(facts, question)
    return (
        validity.duplicate(facts, question),
        validity.pause(facts, question),
        moment.control,
        validity.clock(facts, question),
        validity.evidence(facts, question),
        moment.settings,
        moment.declared,
        validity.expiry(facts, question),
        validity.episode(facts, question),
        moment.abnormal,
        moment.failures,
        safety.protected(facts, question),
        moment.maintenance,
        safety.guards(facts, question),
    )


def all_checks(facts: Facts, question: Question) -> Findings:
    """Make every check, in the table's order."""
    scopes = question.scopes
    made = (
        *before_level(facts, question),
        safety.level(facts, question),
        safety.escalations(facts, question),
        safety.approval(facts, question),
        budgets.budget("attempts", scopes.entity, facts, question.now_us),
        safety.in_flight(facts, question),
        safety.cooldown(facts, question),
        safety.wait(facts, question),
        budgets.concurrency(facts, question),
        safety.blast_radius(facts, question),
        safety.healthy(facts, question),
        budgets.budget("action-budget", scopes.action, facts, question.now_us),
        budgets.budget("pattern-budget", scopes.pattern, facts, question.now_us),
        budgets.budget("loop-budget", scopes.loop, facts, question.now_us),
        budgets.exploration(facts, question),
        budgets.cost(facts, question),
    )
    failed = [check for check in made if not check.passed]
    if not failed:
        return Findings(made)
    return _refusal(tuple([check if check.passed else with_remedy(check, question) for check in made]), failed)


def checks_of_none(facts: Facts, question: Question) -> Findings:
    """Make the checks of a proposal to do nothing; of a life, which has no episode, it is made but once."""
    made = [validity.duplicate(facts, question)]
    if question.proposal.episode:
        made.append(validity.expiry(facts, question))
    return findings_of(*[with_remedy(check, question) for check in made])


def _refusal(checks: tuple[Check, ...], failed: Sequence[Check]) -> Findings:
    """Return what checks come to of which some failed, in the table's order, with a remedy or without."""
    first = failed[0]
    ends_us = [check.next_us for check in failed if check.next_us is not None]
    retry_after_us = None if first.next_us is None else max(ends_us)
    return Findings(checks, BY_NAME[first.name].failed, first.name, retry_after_us)


def _look_around(facts: Facts, question: Question) -> Moment:
    facts.moment[question.proposal.action] = moment = Moment(
        control=validity.control(facts, question),
        settings=validity.settings(facts, question),
        declared=validity.declared(facts, question),
        abnormal=safety.abnormal(facts, question),
        failures=safety.failures(facts, question),
        maintenance=safety.maintenance(facts, question),
    )
    return moment


def with_remedy(check: Check, question: Question) -> Check:
    """Return the check with, where it failed, what a person can do about it."""
    if check.passed:
        return check
    return msgspec.structs.replace(check, remedy=BY_NAME[check.name].remedy_of(question.proposal))
