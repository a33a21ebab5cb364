"""Events told as lines that a person can follow, and counted."""

import time
from collections import Counter

from schemas.events import (
    NONE,
    Action,
    Drift,
    Episode,
    Event,
    Experience,
    LevelChange,
    Outcome,
    Overflow,
    Pattern,
    Recurrence,
    Sequence,
    Storm,
    Verdict,
)
from streams.operate.story_text import level_text

HELD_OUT = {"baseline": " (held out: always the baseline)", "none": " (held out: left alone)"}
TOLD_TOPICS = ("insights", "patterns", "verdicts", "actions", "outcomes", "experience")


class Narration:
    """Turns a loop's events into lines and keeps count of what happened."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.patterns: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        self._sequences: set[str] = set()

    def tell(self, event: Event) -> str | None:
        """Return one line for an event, or None for what is not worth a line."""
        text = self._text(event)
        return None if text is None else f"{time.strftime('%H:%M:%S', time.gmtime(event.time_us / 1e6))}  {text}"

    def _text(self, event: Event) -> str | None:
        match event:
            case Verdict():
                self.counts[f"verdict {event.verdict}"] += 1
                if event.verdict == "allow":
                    return None
                return f"gate: {event.verdict} {event.proposal.action} on {event.proposal.entity} ({event.decided_by})"
            case LevelChange():
                self.counts["changes of level"] += 1
                return f"gate: {event.pattern}/{event.action} {level_text(event)}"
            case Action():
                self.counts["actions"] += 1
                return f"{event.entity}: {event.action}"
            case Outcome() if event.state not in ("claimed", "succeeded"):
                return f"{event.entity}: action {event.state} ({event.detail})"
            case Experience():
                return self._experience(event)
            case _:
                return self._insight(event)

    def _insight(self, event: Event) -> str | None:
        match event:
            case Episode(phase="opened"):
                self.counts["episodes"] += 1
                return f"{event.entity} left its normal ({_metrics(event)})"
            case Pattern(status="recurring"):
                is_new = event.pattern not in self.patterns
                self.patterns[event.pattern] = event.name
                return f"new recurring pattern {event.pattern}: {event.name}" if is_new else None
            case Recurrence():
                self.counts["recognised" if event.pattern != "novel" else "novel"] += 1
                name = self.patterns.get(event.pattern)
                return f"{event.entity}: {event.pattern} again ({name})" if name else None
            case Storm(phase="open"):
                return self._storm(event)
            case Sequence(status="recurring") | Drift():
                return self._change(event)
            case Overflow():
                return overflow_line(event)
            case _:
                return None

    def _storm(self, event: Storm) -> str | None:
        """Tell a storm when it comes up, and when another member looks like its origin."""
        first = event.members[0]
        self.counts["storms"] += event.storm not in self._origins
        if self._origins.get(event.storm) == first.entity:
            return None
        self._origins[event.storm] = first.entity
        return f"storm: {event.size} abnormal together, likely from {first.entity} ({first.share:.0%})"

    def _change(self, event: Sequence | Drift) -> str | None:
        if isinstance(event, Drift):
            self.counts["drifts"] += 1
            where = "" if event.partition is None else f" (partition {event.partition})"
            return f"{event.subject} changed for good: {event.before:.4g}, now {event.after:.4g}{where}"
        is_new = event.sequence not in self._sequences
        self._sequences.add(event.sequence)
        return f"new recurring sequence {event.sequence}: {event.name}" if is_new else None

    def _experience(self, event: Experience) -> str | None:
        self.counts[f"outcome {event.state}" if event.is_outcome else "outcomes foretold"] += 1
        if event.state != "observed" or event.recovery_us is None:
            return None
        took = f"{event.recovery_us / 1e6:.1f} s"
        arm = HELD_OUT.get(event.arm, "")
        if event.effective == NONE:
            state = "normal again" if event.recovered else "still failing"
            return f"{event.entity}: {state} after {took} without an action{arm}"
        if not event.recovered:
            return f"{event.entity}: {event.effective} did not help within {took}{arm}"
        what = f"asking about {event.effective}" if event.asked else event.effective
        return f"{event.entity}: normal again {took} after {what}{arm}"


def overflow_line(event: Overflow) -> str:
    """Say what found no room, and which setting would make some."""
    kinds = {
        "entity_limit": f"samples of {event.names} entities",
        "metric_limit": f"values of {event.names} metrics",
        "letter_limit": f"late samples of {event.names} entities in dead letters",
        "letter_bytes": f"late samples of {event.names} entities in dead letters",
        "policy.renewal.entity_limit": f"windows of {event.names} entities whose lives are not followed",
        "gate.tracked": f"outcomes of doing nothing about {event.names} entities that the gate would learn from",
        "policy.open_limit": f"episodes of {event.names} entities that waited to be decided",
        "outcome.windows_limit": f"windows of {event.names} entities, whose later recovery nobody sees",
        "outcome.late_limit": f"defaults on {event.names} entities that a late end could correct",
    }
    what = kinds.get(event.limit, "samples of full windows")
    examples = ", ".join((*event.examples, *["..."] * (event.names > len(event.examples))))
    who = f" ({examples})" if examples else ""
    setting = event.limit if "." in event.limit else f"detect.{event.limit}"
    return f"no room for {event.rows} {what}{who} in partition {event.partition}: {setting}"


def _metrics(event: Episode) -> str:
    names = sorted(event.shares, key=lambda name: (-event.shares[name], name))[:2]
    return ", ".join(names) or "unknown"
