"""Checks of what is left to spend: attempts, places, actions, tries, and costs."""

from functools import lru_cache

from schemas.events import Check
from streams.loop.gate.book import EXPLORING
from streams.loop.gate.facts import Facts
from streams.loop.gate.places import places
from streams.loop.gate.state import Question
from streams.loop.gate.table import PASSED


def budget(name: str, key: str, facts: Facts, now_us: int) -> Check:
    """Check that of one limit something is left: of the actions of a scope, of tries, or of questions to people."""
    standing = facts.book.windows.standing(key, now_us)
    return Check(
        name=name,
        passed=standing.possible,
        limit=standing.limit,
        spent=standing.spent,
        allowed=standing.allowed,
        next_us=standing.next_us,
    )


def concurrency(facts: Facts, question: Question) -> Check:
    """Check that a place is free; after a resume only a part of them is there, one at first."""
    spent = len(facts.book.field.in_flight)
    allowed, until_us = places(facts.settings, facts.orders, spent, question.now_us)
    return Check(
        name="concurrency",
        passed=spent < allowed,
        limit="at once",
        spent=spent,
        allowed=allowed,
        next_us=until_us or None,
    )


def exploration(facts: Facts, question: Question) -> Check:
    """Check that it looks best, or that one more that does not may be tried: never of an action of high risk."""
    if not question.exploring:
        return PASSED["exploration"]
    declared = facts.actions.get(question.proposal.action)
    if declared is not None and declared.risk == "high":
        return Check(name="exploration", passed=False, detail="of high risk, and another action looks better")
    return budget("exploration", EXPLORING, facts, question.now_us)


def cost(facts: Facts, question: Question) -> Check:
    """Check that its cost is left to spend."""
    declared = facts.actions.get(question.proposal.action)
    price = declared.cost if declared is not None else 0.0
    spending, budget = facts.book.spending, facts.settings.cost_a_day
    spent, from_us = spending.standing(question.now_us, price)
    passed = from_us is not None and from_us <= question.now_us
    return Check(
        name="cost",
        passed=passed,
        detail=f"{spent:g} spent, {_asked(price, budget)}",
        next_us=None if passed else from_us,
    )


@lru_cache(maxsize=1_024)  # an action has one price
def _asked(price: float, budget: float) -> str:
    return f"{price:g} more, of {budget:g} in 24 h"
