"""The gate's checks: one function per row of the table, each a fact about the present with its numbers."""

from collections.abc import Callable

from schemas.events import Check
from streams.loop.actions import ActionSettings
from streams.loop.durations import format_duration
from streams.loop.gate.approvals import approval_check
from streams.loop.gate.book import Book
from streams.loop.gate.orders import stopped, targets_of
from streams.loop.gate.settings import LEVELS, GateSettings
from streams.loop.gate.state import Orders, Question
from streams.loop.gate.table import BY_NAME, RULES


class Checks:
    """Answers every question of the table for one proposal at one time."""

    def __init__(
        self,
        settings: GateSettings,
        *,
        settings_hash: str,
        actions: dict[str, ActionSettings],
        book: Book,
        orders: Callable[[], Orders],
        forgotten_us: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._hash = settings_hash
        self._actions = actions
        self._book = book
        self._orders = orders
        self._forgotten_us = forgotten_us
        self._by_name: dict[str, Callable[[Question], Check]] = {
            "duplicate": self._duplicate,
            "pause": self._pause,
            "control": self._control,
            "evidence": self._evidence,
            "settings": self._settings_hash,
            "declared": self._declared,
            "expiry": self._expiry,
            "episode": self._episode,
            "abnormal": self._abnormal,
            "failures": self._failures,
            "protected": self._protected,
            "level": self._level,
            "approval": self._approval,
            "attempts": lambda question: self._budget("attempts", f"entity:{question.proposal.entity}", question),
            "in-flight": self._in_flight,
            "cooldown": self._cooldown,
            "concurrency": self._concurrency,
            "action-budget": lambda question: self._budget(
                "action-budget", f"action:{question.proposal.action}", question
            ),
            "pattern-budget": lambda question: self._budget(
                "pattern-budget", f"pattern:{question.proposal.pattern}", question
            ),
            "loop-budget": lambda question: self._budget("loop-budget", "loop", question),
        }

    def all(self, question: Question) -> tuple[Check, ...]:
        """Return every check in the table's order."""
        return tuple(with_remedy(self._by_name[rule.name](question), question) for rule in RULES)

    def one(self, name: str, question: Question) -> Check:
        """Return one check."""
        return with_remedy(self._by_name[name](question), question)

    def _duplicate(self, question: Question) -> Check:
        # A recorded proposal never comes here; an older one than all that are remembered might have been one.
        old = question.approval is None and question.proposal.time_us <= self._forgotten_us()
        return Check(name="duplicate", passed=not old, detail="older than every remembered proposal" if old else "")

    def _pause(self, question: Question) -> Check:
        for target in targets_of(question.proposal):
            paused, until_us = stopped(self._orders(), target, question.now_us)
            if paused:
                return Check(name="pause", passed=False, detail=f"{target} is paused", next_us=until_us or None)
        return Check(name="pause", passed=True)

    def _control(self, question: Question) -> Check:
        return _age("control", question.now_us - question.control_heard_us, self._settings.control_timeout_us)

    def _evidence(self, question: Question) -> Check:
        waited = question.approval is not None
        allowed_us = self._settings.evidence_age_us + (self._settings.approval_window_us if waited else 0)
        return _age("evidence", question.now_us - question.proposal.time_us, allowed_us)

    def _settings_hash(self, question: Question) -> Check:
        del question
        activated = self._orders().activated
        if activated == self._hash:
            return Check(name="settings", passed=True)
        detail = f"activated {activated[:12]}, own {self._hash[:12]}" if activated else "none were activated"
        return Check(name="settings", passed=False, detail=detail)

    def _declared(self, question: Question) -> Check:
        return Check(name="declared", passed=question.proposal.action in self._actions)

    def _expiry(self, question: Question) -> Check:
        late_us = question.now_us - question.until_us
        detail = f"expired {format_duration(late_us)} ago" if late_us >= 0 else ""
        return Check(name="expiry", passed=late_us < 0, detail=detail)

    def _episode(self, question: Question) -> Check:
        episode = question.proposal.episode
        known = self._book.field.episodes.get(episode)
        if known or not episode:  # a person's own proposal needs no episode
            return Check(name="episode", passed=True)
        return Check(name="episode", passed=False, detail="never seen open" if known is None else "it is over")

    def _abnormal(self, question: Question) -> Check:
        abnormal, live = self._book.abnormal(question.now_us)
        return Check(
            name="abnormal",
            passed=not self._book.storming(question.now_us),
            detail=f"{abnormal} of {live} entities are abnormal",
            limit=f"{self._settings.abnormal_share:g} of the entities, from {self._settings.abnormal_least} on",
        )

    def _failures(self, question: Question) -> Check:
        bad, ended = self._book.bad_ends(question.proposal.action, question.now_us)
        until_us = self._book.failing_until(question.proposal.action, question.now_us)
        return Check(
            name="failures",
            passed=until_us is None,
            detail=f"{bad} of {ended} ends were failed or unknown",
            limit=f"{self._settings.failed_share:g} of the ends, from {self._settings.failed_least} on",
            next_us=until_us,
        )

    def _protected(self, question: Question) -> Check:
        return Check(name="protected", passed=question.proposal.entity not in self._settings.protected)

    def _level(self, question: Question) -> Check:
        passed = LEVELS.index(question.level) >= LEVELS.index("approve")
        return Check(name="level", passed=passed, detail=question.level)

    def _approval(self, question: Question) -> Check:
        declared = self._actions.get(question.proposal.action)
        if question.level == "act" and not question.approvals:
            return Check(name="approval", passed=True, detail="act")
        return approval_check(
            question,
            needed=declared.approvals if declared else 1,
            activated_by=self._orders().activated_by,
            own=self._settings.own_approval or question.level == "act",
        )

    def _in_flight(self, question: Question) -> Check:
        return Check(name="in-flight", passed=not self._book.under_way(question.proposal.entity))

    def _cooldown(self, question: Question) -> Check:
        until_us = self._book.cooling_until(question.proposal.entity, question.now_us)
        return Check(name="cooldown", passed=until_us is None, next_us=until_us)

    def _concurrency(self, question: Question) -> Check:
        del question
        spent = len(self._book.field.in_flight)
        allowed = self._settings.concurrency
        return Check(name="concurrency", passed=spent < allowed, limit="at once", spent=spent, allowed=allowed)

    def _budget(self, name: str, scope: str, question: Question) -> Check:
        standing = self._book.windows.standing(scope, question.now_us)
        return Check(
            name=name,
            passed=standing.possible,
            limit=standing.limit,
            spent=standing.spent,
            allowed=standing.allowed,
            next_us=standing.next_us,
        )


def _age(name: str, age_us: int, allowed_us: int) -> Check:
    detail = f"{age_us / 1e6:.1f} s ago, at most {format_duration(allowed_us)}"
    return Check(name=name, passed=age_us <= allowed_us, detail=detail)


def with_remedy(check: Check, question: Question) -> Check:
    """Return the check with, where it failed, what a person can do about it."""
    if check.passed:
        return check
    proposal = question.proposal
    remedy = BY_NAME[check.name].remedy.format(
        proposal=proposal.id, entity=proposal.entity, pattern=proposal.pattern, action=proposal.action
    )
    return Check(
        name=check.name,
        passed=False,
        detail=check.detail,
        limit=check.limit,
        spent=check.spent,
        allowed=check.allowed,
        next_us=check.next_us,
        remedy=remedy,
    )
