"""The gate's checks as data: their order, what a failed one decides, and what a person can do about it.

Code, documents and tests read this one table. All checks are made and listed; the first that failed decides.
"""

from typing import Literal

import msgspec

from schemas.events import Check, Proposal
from streams.loop.gate.settings import Level

Refusal = Literal["deny", "escalate", "shadow"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One check: its question (yes is passed), the verdict when it is the first to fail, and the remedy.

    A remedy may name `{proposal}`, `{entity}`, `{pattern}`, `{action}`.
    """

    name: str
    asks: str
    failed: Refusal
    remedy: str

    def remedy_of(self, proposal: Proposal) -> str:
        """Return the remedy where this check refuses a proposal."""
        if "{" not in self.remedy:
            return self.remedy
        return self.remedy.format(
            proposal=proposal.id, entity=proposal.entity, pattern=proposal.pattern, action=proposal.action
        )


def _rule(name: str, asks: str, failed: Refusal, remedy: str) -> Rule:
    return Rule(name=name, asks=asks, failed=failed, remedy=remedy)


RULES: tuple[Rule, ...] = (
    _rule("duplicate", "is it new, and not older than what is remembered?", "deny", "propose it anew"),
    _rule("pause", "are loop, action, pattern and entity running?", "deny", "flyball resume"),
    _rule("control", "was control heard lately?", "deny", "flyball status"),
    _rule("clock", "do its clock and the gate's agree?", "deny", "flyball status"),
    _rule("evidence", "is its evidence young enough?", "deny", "flyball status"),
    _rule("settings", "are the activated settings the gate's own?", "deny", "flyball activate"),
    _rule("declared", "do they declare the action?", "deny", "add [actions.{action}] to loop.toml, flyball activate"),
    _rule("expiry", "is it still valid?", "deny", "propose it anew"),
    _rule("episode", "is its episode one of this entity, and still open?", "deny", "flyball why {entity}"),
    _rule(
        "abnormal",
        "are few enough entities abnormal?",
        "deny",
        "flyball rearm loop",
    ),
    _rule("failures", "do enough of this action's runs end well?", "deny", "flyball rearm action:{action}"),
    _rule("protected", "may the loop touch the entity?", "deny", "gate.protected in loop.toml, flyball activate"),
    _rule("maintenance", "is nobody working on the fleet?", "deny", "gate.maintenance in loop.toml, flyball activate"),
    _rule("guards", "do all guards allow it?", "deny", "gate.guards in loop.toml, flyball activate"),
    _rule("level", "is the level at least approve?", "shadow", "flyball level {pattern}/{action} approve"),
    _rule(
        "escalations",
        "may a person be asked once more, if one has to be?",
        "deny",
        "flyball approvals; gate.escalation_limit in loop.toml, flyball activate",
    ),
    _rule("approval", "is the level act, or did enough people approve?", "escalate", "flyball approve {proposal}"),
    _rule("attempts", "has the entity attempts left?", "deny", "gate.entity_attempts in loop.toml, flyball activate"),
    _rule("in-flight", "is nothing under way on the entity?", "deny", "flyball inflight; flyball settle ACTION STATE"),
    _rule("cooldown", "has the entity cooled down?", "deny", "actions.*.cooldown in loop.toml, flyball activate"),
    _rule(
        "wait",
        "was the episode open for long enough?",
        "deny",
        "actions.{action}.wait in loop.toml, flyball activate",
    ),
    _rule("concurrency", "is there a free place?", "deny", "gate.concurrency in loop.toml, flyball activate"),
    _rule(
        "blast-radius",
        "are few enough entities acted on?",
        "deny",
        "gate.blast_count and gate.blast_share in loop.toml, flyball activate",
    ),
    _rule(
        "healthy",
        "are enough healthy ones of its group left?",
        "deny",
        "gate.healthy_least and gate.healthy_share in loop.toml, flyball activate",
    ),
    _rule(
        "action-budget", "has the action budget left?", "deny", "actions.{action}.limit in loop.toml, flyball activate"
    ),
    _rule("pattern-budget", "has the pattern?", "deny", "gate.pattern_limit in loop.toml, flyball activate"),
    _rule("loop-budget", "has the loop?", "deny", "gate.loop_limit in loop.toml, flyball activate"),
    _rule(
        "exploration",
        "does it look best, or may one more be tried that does not?",
        "deny",
        "gate.explore_limit in loop.toml, flyball activate",
    ),
    _rule("cost", "is its cost left to spend?", "deny", "gate.cost_a_day in loop.toml, flyball activate"),
)
BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
PASSED: dict[str, Check] = {rule.name: Check(name=rule.name, passed=True) for rule in RULES}
"""The checks that passed and have no more to say."""

LEVEL_VERDICTS: dict[Level, Literal["shadow", "escalate", "allow"]] = {
    "observe": "shadow",
    "suggest": "shadow",
    "approve": "escalate",
    "act": "allow",
}
"""What a proposal gets at each level when nothing else is in its way: what the rows `level` and `approval` come to."""
SHOWN = frozenset(level for level, verdict in LEVEL_VERDICTS.items() if verdict == "shadow")
"""Levels at which a proposal is only shown."""
