"""The events of a story in words that a person can follow."""

from schemas.events import (
    NONE,
    Action,
    Approval,
    Check,
    Episode,
    Experience,
    LevelChange,
    Outcome,
    Proposal,
    Recurrence,
    Storm,
    Verdict,
)
from streams.loop.rewards import taught_by
from streams.operate.why_text import why_text

FEW = 5
Told = Episode | Recurrence | Storm | Proposal | Approval | Verdict | Action | Outcome | Experience | LevelChange
_REASONS = {
    "decided": "wanted often enough",
    "earned": "by what came of it",
    "harm": "surely worse than what it is compared with",
    "worse": "worse than it was",
    "missing": "too often nobody told what came of it",
    "unknown": "nothing is known of its outcomes",
    "unmeasured": "its outcomes are not measured",
    "needless": "there is nothing to gain",
    "slow": "its outcomes come too late",
    "sparse": "its outcomes are too rare",
    "noisy": "its outcomes tell too little from chance",
    "merged": "with the pattern that was merged into it",
    "promotion": "other models propose now",
    "ordered": "by a person",
}
_PHASES = {"opened": "left its normal", "onset": "has shown how it begins", "closed": "is normal again"}


def text_of(event: Told, models: list[tuple[int, str]]) -> str:
    """Return one event in words; `models` are those that decided about episodes, with when, in order: what was learned
    counts from the next one on.
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
        case LevelChange():
            return f"level of {event.pattern}/{event.action}: {level_text(event)}"


def level_text(change: LevelChange) -> str:
    """Return a change of level in words, with its numbers."""
    to_sign = change.earned is not None and change.level != change.earned
    what = change.level if change.level == change.was else f"{change.was} -> {change.level}"
    order = f"; flyball level {change.pattern}/{change.action} {change.earned} raises it" if to_sign else ""
    told = [f"{what}, {_REASONS[change.reason]}{f' ({change.detail})' if change.detail else ''}"]
    told += [f"what would change that: {change.remedy}"] if change.remedy else []
    told += [f"wanted {change.decided} times"] if change.decided else []
    told += [f"{change.outcomes} outcomes, {change.missing} missing"] if change.outcomes or change.missing else []
    told += [f"reward {change.reward:.2f}"] if change.reward is not None else []
    if change.effect is not None and change.effect_low is not None and change.effect_high is not None:
        bounds = f"{change.effect_low:.2f} to {change.effect_high:.2f}"
        told.append(f"effect {change.effect:.2f} ({bounds}) above {change.compared}")
    return "; ".join(told) + order


def _episode_text(event: Episode) -> str:
    shares = sorted(event.shares.items(), key=lambda share: (-share[1], share[0]))[:FEW]
    metrics = ", ".join(f"{name} {share:.0%}" for name, share in shares)
    said = f", said {', '.join(event.tokens)}" if event.tokens else ""
    return f"{event.entity} {_PHASES[event.phase]}: {metrics or 'no metric'}; severity {event.severity:.1f}{said}"


def _proposal_text(event: Proposal) -> str:
    if event.by != "loop":
        return f"{event.by} proposed {event.action} on {event.entity}{f': {event.reason}' if event.reason else ''}"
    likely = sorted(event.probabilities.items(), key=lambda pair: (-pair[1], pair[0]))[:FEW]
    chances = ", ".join(f"{name} {chance:.2f}" for name, chance in likely)
    arm = f"; arm {event.hold_out.arm}" if event.hold_out is not None else ""
    blocked = f"; blocked: {', '.join(event.blocked)}" if event.blocked else ""
    # runs of earlier versions logged the constant of the regression among the features
    features = ", ".join(f"{name} {value:.2f}" for name, value in sorted(event.features.items()) if name != "bias")
    chosen = f"propensity {event.propensity:.3f} of {chances}{arm}{blocked}"
    why = f"; {told}" if (told := why_text(event)) else ""
    what = f"chose to ask a person about {event.action}" if event.asked else f"proposed {event.action}"
    wanted = "" if event.wanted is None else f"; would have drawn {event.wanted}, which its level keeps back"
    return f"{what} ({chosen}){wanted}{why}; {event.model} on {features}"


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
    signal = "" if event.signal is None else f", early signal {event.signal:.2f}"
    if event.asked:
        what = f"a person was asked by choice, {what}"
    told = f"({event.state}): {what}, {reward}, cost {event.cost:.2f}{signal}"
    taken_back = bool(event.episode) and event.retracted_reward is not None
    if taught_by(event) is None and not taken_back:
        return f"ended {told}; nothing is learned from that"
    since = next((model for time_us, model in models if time_us > event.time_us), None)
    counts = f"; counts from model {since} on" if since else "; no decision was made since"
    return f"{'ended' if taught_by(event) is None else 'learned'} {told}{counts}"
