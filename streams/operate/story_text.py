"""The events of a story in words that a person can follow."""

from schemas.events import (
    NONE,
    Action,
    Approval,
    Check,
    Episode,
    Experience,
    Outcome,
    Proposal,
    Recurrence,
    Storm,
    Verdict,
)

FEW = 5
Told = Episode | Recurrence | Storm | Proposal | Approval | Verdict | Action | Outcome | Experience
_PHASES = {"opened": "left its normal", "onset": "has shown how it begins", "closed": "is normal again"}


def text_of(event: Told, models: list[tuple[int, str]]) -> str:
    """Return one event in words; `models` are those that decided, with when, in order: what was learned counts from the
    next one on.
    """
    match event:
        case Episode():
            return _episode_text(event)
        case Recurrence():
            known = (
                "like nothing known"
                if event.pattern == "novel"
                else f"{event.pattern} again, {event.support} times so far"
            )
            return f"recognised: {known} (novelty {event.novelty:.2f}, distance {event.distance:.2f})"
        case Storm():
            first = event.members[0]
            return f"in a storm of {event.size}, likely from {first.entity} ({first.share:.0%})"
        case Proposal():
            return _proposal_text(event)
        case Approval():
            done = "approved" if event.decision == "approve" else "rejected"
            return f"{done} by {event.person}{f': {event.reason}' if event.reason else ''}"
        case Verdict():
            return _verdict_text(event)
        case Action():
            return f"action {event.id[:12]}: {event.action} on {event.entity}{', dry run' if event.dry_run else ''}"
        case Outcome():
            return f"{event.executor}: {event.state}{f' ({event.detail})' if event.detail else ''}"
        case Experience():
            return _experience_text(event, models)


def _episode_text(event: Episode) -> str:
    shares = sorted(event.shares.items(), key=lambda share: (-share[1], share[0]))[:FEW]
    metrics = ", ".join(f"{name} {share:.0%}" for name, share in shares)
    said = f", said {', '.join(event.tokens)}" if event.tokens else ""
    return f"{event.entity} {_PHASES[event.phase]}: {metrics or 'no metric'}; severity {event.severity:.1f}{said}"


def _proposal_text(event: Proposal) -> str:
    if event.by != "loop":
        return f"{event.by} proposed {event.action} on {event.entity}"
    likely = sorted(event.probabilities.items(), key=lambda pair: (-pair[1], pair[0]))[:FEW]
    chances = ", ".join(f"{name} {chance:.2f}" for name, chance in likely)
    arm = f"; arm {event.hold_out.arm}" if event.hold_out is not None else ""
    blocked = f"; blocked: {', '.join(event.blocked)}" if event.blocked else ""
    features = ", ".join(f"{name} {value:.2f}" for name, value in sorted(event.features.items()) if name != "bias")
    chosen = f"propensity {event.propensity:.3f} of {chances}{arm}{blocked}"
    return f"proposed {event.action} ({chosen}); {event.model} on {features}"


def _verdict_text(event: Verdict) -> str:
    level = f"at level {event.level}"
    failed = [check for check in event.checks if not check.passed]
    if not failed:
        return f"{event.verdict} {level}, {len(event.checks)} checks passed; settings {event.settings_hash[:12]}"
    reasons = "; ".join(_reason(check) for check in failed[:FEW])
    return f"{event.verdict} {level}, by {event.decided_by}: {reasons}"


def _reason(check: Check) -> str:
    detail = f" ({check.detail})" if check.detail else ""
    spent = f" {check.spent} of {check.allowed} ({check.limit})" if check.spent is not None else ""
    return f"{check.name}{detail}{spent} -> {check.remedy}"


def _experience_text(event: Experience, models: list[tuple[int, str]]) -> str:
    reward = "no reward" if event.reward is None else f"reward {event.reward:.2f}"
    if event.retracted_reward is not None:
        reward += f" instead of {event.retracted_reward:.2f}"
    what = "nothing was done" if event.effective == NONE else f"{event.effective} was done"
    learned = next((model for time_us, model in models if time_us > event.time_us), None)
    counts = f"; counts from model {learned} on" if learned else "; no decision was made since"
    return f"learned ({event.state}): {what}, {reward}, cost {event.cost:.2f}{counts}"
