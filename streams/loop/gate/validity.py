"""Checks of whether a proposal may be looked at at all: new, unpaused, in time, on the gate's own settings."""

from functools import lru_cache

from schemas.events import NOVEL, Check
from streams.loop.asking import ASK_SCOPE
from streams.loop.durations import format_duration
from streams.loop.gate.facts import Facts
from streams.loop.gate.orders import first_stopped, stopped
from streams.loop.gate.state import Question
from streams.loop.gate.table import PASSED

STOPPED_HERE = "a stop file lies on the gate's machine, until flyball rearm --local there"


def duplicate(facts: Facts, question: Question) -> Check:
    """Check that it is not older than what is remembered."""
    # A recorded proposal never comes here; an older one than all that are remembered might have been one.
    if question.approval is not None:
        return PASSED["duplicate"]
    if question.proposal.id in facts.decided:
        return Check(name="duplicate", passed=False, detail="decided before; its verdict is no longer remembered")
    if question.proposal.time_us <= facts.forgotten_us:
        return Check(name="duplicate", passed=False, detail="older than every remembered proposal")
    return PASSED["duplicate"]


def pause(facts: Facts, question: Question) -> Check:
    """Check that loop, action, pattern and entity are running, and asking where the loop chose that."""
    found = first_stopped(facts.orders, question.scopes, question.now_us)
    if found is None and question.proposal.asked:
        paused, until_us = stopped(facts.orders, ASK_SCOPE, question.now_us)
        found = (ASK_SCOPE, until_us) if paused else None
    if found is None:
        return PASSED["pause"]
    target, until_us = found
    detail = STOPPED_HERE if facts.orders.stopped_here else f"{target} is paused"
    return Check(name="pause", passed=False, detail=detail, next_us=until_us or None)


def control(facts: Facts, question: Question) -> Check:
    """Check that control was heard lately."""
    if facts.orders.stopped_here:
        return Check(name="control", passed=False, detail=STOPPED_HERE)
    age_us = question.now_us - question.control_heard_us
    return _age("control", age_us, facts.settings.control_timeout_us, facts.control_text)


def clock(facts: Facts, question: Question) -> Check:
    """Check that it does not come from the future."""
    ahead_us = question.proposal.time_us - question.now_us
    if ahead_us <= facts.settings.clock_skew_us:
        return PASSED["clock"]
    allowed = format_duration(facts.settings.clock_skew_us)
    return Check(name="clock", passed=False, detail=f"{ahead_us / 1e6:.1f} s ahead of the gate, at most {allowed}")


def evidence(facts: Facts, question: Question) -> Check:
    """Check that its evidence is young enough."""
    age_us = question.now_us - question.proposal.time_us
    if question.approval is None:
        return _age("evidence", age_us, facts.settings.evidence_age_us, facts.evidence_text)
    allowed_us = facts.settings.evidence_age_us + facts.settings.approval_window_us
    return _age("evidence", age_us, allowed_us, facts.approved_text)


def settings(facts: Facts, question: Question) -> Check:
    """Check that the activated settings are the gate's own."""
    del question
    activated = facts.orders.activated
    if activated == facts.settings_hash:
        return PASSED["settings"]
    detail = f"activated {activated[:12]}, own {facts.settings_hash[:12]}" if activated else "none were activated"
    return Check(name="settings", passed=False, detail=detail)


def declared(facts: Facts, question: Question) -> Check:
    """Check that they declare the action."""
    if question.proposal.action in facts.actions:
        return PASSED["declared"]
    return Check(name="declared", passed=False)


def expiry(facts: Facts, question: Question) -> Check:
    """Check that it is still valid."""
    del facts
    late_us = question.now_us - question.until_us
    if late_us < 0:
        return PASSED["expiry"]
    return Check(name="expiry", passed=False, detail=f"expired {format_duration(late_us)} ago")


def episode(facts: Facts, question: Question) -> Check:
    """Check that its episode is open, and one of this entity; a person's own needs none, but has no pattern."""
    proposal, field = question.proposal, facts.book.field
    if not proposal.episode:
        if proposal.pattern == NOVEL:
            return PASSED["episode"]
        return Check(name="episode", passed=False, detail="a pattern without an episode")
    known = field.episodes.get(proposal.episode)
    if known is None:
        detail = "it is over" if proposal.episode in field.over_us else "never seen open"
        return Check(name="episode", passed=False, detail=detail)
    if known.entity != proposal.entity:
        return Check(name="episode", passed=False, detail=f"it is one of {known.entity}")
    return PASSED["episode"]


@lru_cache(maxsize=1_024)  # proposals that were made in one step are of one age in the next
def _age(name: str, age_us: int, allowed_us: int, allowed: str) -> Check:
    return Check(name=name, passed=age_us <= allowed_us, detail=f"{age_us / 1e6:.1f} s ago, at most {allowed}")
