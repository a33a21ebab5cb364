"""Checks of whether acting on this entity, now, is safe for the fleet, and how far the loop may go by itself."""

from schemas.events import Check
from streams.loop.gate.approvals import approval_check
from streams.loop.gate.book import ESCALATING
from streams.loop.gate.budgets import budget
from streams.loop.gate.facts import Facts
from streams.loop.gate.settings import LEVELS, Level
from streams.loop.gate.state import Question
from streams.loop.gate.table import PASSED

_LEVELS: dict[Level, Check] = {
    level: Check(name="level", passed=level in ("approve", "act"), detail=level) for level in LEVELS
}
_ACTS = Check(name="approval", passed=True, detail="act")


def abnormal(facts: Facts, question: Question) -> Check:
    """Check that few enough entities are abnormal."""
    stormy, text = facts.book.health.storming(question.now_us)
    return Check(name="abnormal", passed=not stormy, detail=text, limit=facts.abnormal_text)


def failures(facts: Facts, question: Question) -> Check:
    """Check that enough of this action's runs end well."""
    standing = facts.book.ends.standing(question.proposal.action, question.now_us)
    return Check(
        name="failures",
        passed=not standing.stopped,
        detail=standing.text(question.now_us),
        limit=facts.failed_text,
        next_us=standing.until_us or None,
    )


def protected(facts: Facts, question: Question) -> Check:
    """Check that the loop may touch the entity."""
    if question.proposal.entity not in facts.settings.protected:
        return PASSED["protected"]
    return Check(name="protected", passed=False)


def maintenance(facts: Facts, question: Question) -> Check:
    """Check that nobody works on the fleet now."""
    found = facts.maintenance.until(question.now_us)
    if found is None:
        return PASSED["maintenance"]
    return Check(name="maintenance", passed=False, detail=f"within {found[1]}", next_us=found[0])


def guards(facts: Facts, question: Question) -> Check:
    """Check that every guard of the settings allows it."""
    if not facts.settings.guards:
        return PASSED["guards"]
    refusal = facts.guards.refusal(facts.book, facts.actions.get(question.proposal.action), question)
    return PASSED["guards"] if refusal is None else Check(name="guards", passed=False, detail=refusal)


def level(facts: Facts, question: Question) -> Check:
    """Check that the level is at least approve."""
    del facts
    return _LEVELS[question.level]


def escalations(facts: Facts, question: Question) -> Check:
    """Check that one more question to a person is left, where one has to be asked."""
    if question.approval is not None or question.level != "approve":
        return PASSED["escalations"]
    return budget("escalations", ESCALATING, facts, question.now_us)


def approval(facts: Facts, question: Question) -> Check:
    """Check that the level is act, or enough people approved."""
    acts = question.level == "act"
    if acts and not question.approvals:
        return _ACTS
    declared = facts.actions.get(question.proposal.action)
    return approval_check(
        question,
        needed=declared.people_needed if declared else 1,
        activated_by=facts.orders.activated_by,
        own=acts or facts.settings.own_approval,
    )


def in_flight(facts: Facts, question: Question) -> Check:
    """Check that nothing is under way on the entity."""
    if facts.book.under_way(question.proposal.entity):
        return Check(name="in-flight", passed=False)
    return PASSED["in-flight"]


def cooldown(facts: Facts, question: Question) -> Check:
    """Check that the entity has cooled down."""
    until_us = facts.book.cooling_until(question.proposal.entity, question.now_us)
    return PASSED["cooldown"] if until_us is None else Check(name="cooldown", passed=False, next_us=until_us)


def wait(facts: Facts, question: Question) -> Check:
    """Check that the episode has had its time to pass by itself."""
    declared = facts.actions.get(question.proposal.action)
    if declared is None or declared.wait_us == 0:
        return PASSED["wait"]
    opened = facts.book.field.episodes.get(question.proposal.episode)
    if opened is None:
        return PASSED["wait"]
    until_us = opened.since_us + declared.wait_us
    passed = until_us <= question.now_us
    return Check(
        name="wait",
        passed=passed,
        detail=f"open for {(question.now_us - opened.since_us) / 1e6:.1f} of {declared.wait_us / 1e6:.1f} s",
        next_us=None if passed else until_us,
    )


def blast_radius(facts: Facts, question: Question) -> Check:
    """Check that few enough different entities are acted on."""
    settings, book = facts.settings, facts.book
    reached = book.reached(question.now_us)
    allowed = settings.blast_count
    if settings.blast_share < 1:
        live = book.health.all(question.now_us).live
        allowed = min(allowed, max(1, int(settings.blast_share * live)))
    acted_us = book.field.acted_us
    passed = question.proposal.entity in acted_us or reached < allowed
    next_us = None if passed else acted_us[next(iter(acted_us))] + settings.blast_window_us
    return Check(
        name="blast-radius", passed=passed, limit="entities acted on", spent=reached, allowed=allowed, next_us=next_us
    )


def healthy(facts: Facts, question: Question) -> Check:
    """Check that enough healthy entities of its group are left; the unwell are those of the last census, or all with an
    episode that is open by now, if these are more.
    """
    settings, book, proposal = facts.settings, facts.book, question.proposal
    if settings.healthy_least == 0 and settings.healthy_share == 0:
        return PASSED["healthy"]
    group = book.group_of(proposal)
    count = book.health.group(group, question.now_us)
    if count is None:
        return Check(name="healthy", passed=False, detail=f"no fresh census of group {group!r}")
    unwell = max(count.abnormal, book.unwell(group))
    left = count.live - unwell - book.disturbed(group) - (not book.is_unwell(group, proposal.entity))
    least = max(settings.healthy_least, -int(-settings.healthy_share * count.live // 1))
    return Check(
        name="healthy",
        passed=left >= least,
        detail=f"{left} of {count.live} would be left in group {group!r}, at least {least} must",
    )
