"""What the audit keeps of an event: a subject, a kind and a few short facts."""

from schemas.events import Approval, Control, Event, Experience, LevelChange, Outcome, Verdict

FACT_LENGTH = 200
"""Longest fact; what people write freely is cut."""
Entry = tuple[str, str, dict[str, str]]


def entry_of(event: Event) -> Entry | None:
    """Return subject, kind and facts, or None for an event that the audit does not keep."""
    match event:
        case Verdict():
            subject, kind, facts = event.proposal.id, "verdict", _verdict(event)
        case Approval():
            subject, kind = event.proposal, "approval"
            facts = {"decision": event.decision, "person": event.person, "reason": event.reason}
        case Outcome():
            subject, kind = event.action, "outcome"
            facts = {"state": event.state, "entity": event.entity, "executor": event.executor}
        case Experience():
            subject, kind, facts = event.proposal, "experience", _experience(event)
        case LevelChange():
            subject, kind, facts = event.key(), "level", _level(event)
        case Control():
            subject, kind = event.key(), "control"
            facts = {"value": event.value, "by": event.by, "reason": event.reason}
        case _:
            return None
    return subject, kind, {"event": event.id} | short(facts)


def short(facts: dict[str, str]) -> dict[str, str]:
    """Return facts that are not empty, cut to a length."""
    return {name: fact[:FACT_LENGTH] for name, fact in facts.items() if fact}


def _verdict(verdict: Verdict) -> dict[str, str]:
    proposal = verdict.proposal
    return {
        "verdict": verdict.verdict,
        "decided_by": verdict.decided_by or "",
        "level": verdict.level,
        "action": verdict.action or "",
        "dry_run": "nothing is done" if verdict.dry_run else "",
        "proposed": proposal.action,
        "entity": proposal.entity,
        "episode": proposal.episode,
        "pattern": proposal.pattern,
        "propensity": repr(proposal.propensity),
        "arm": proposal.hold_out.arm if proposal.hold_out else "",
        "by": proposal.by,
        "asked": "by choice" if proposal.asked else "",
        "settings": verdict.settings_hash,
        "approval": verdict.approval or "",
    }


def _experience(experience: Experience) -> dict[str, str]:
    return {
        "state": experience.state,
        "effective": experience.effective,
        "asked": "by choice" if experience.asked else "",
        "reward": "" if experience.reward is None else repr(experience.reward),
        "retracted": "" if experience.retracted_reward is None else repr(experience.retracted_reward),
        "action": experience.action or "",
        "outcome": experience.outcome or "",
        "arm": experience.arm,
        "signal": "" if experience.signal is None else repr(experience.signal),
    }


def _level(change: LevelChange) -> dict[str, str]:
    numbers = {
        "decided": change.decided,
        "outcomes": change.outcomes,
        "missing": change.missing,
        "reward": change.reward,
        "effect": change.effect,
        "effect_low": change.effect_low,
        "effect_high": change.effect_high,
        "until_us": change.until_us,
    }
    return {
        "level": change.level,
        "was": change.was,
        "start": change.start,
        "reason": change.reason,
        "detail": change.detail,
        "remedy": change.remedy,
        "earned": change.earned or "",
        "compared": change.compared,
        "proposal": change.proposal,
        **{name: "" if number is None else repr(number) for name, number in numbers.items()},
    }
