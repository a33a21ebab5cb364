"""What people are told, and when it is enough: at most so many messages an hour, then one that says so."""

import time
from collections import OrderedDict, deque

import msgspec

from schemas.events import Verdict

HOUR_US = 3_600_000_000
REMEMBERED = 10_000
"""Escalations that are not told again."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its id (the same when it is sent again) and what it says."""

    id: str
    text: str


class Notices:
    """Turns verdicts into messages. In every hour there are at most `hourly` about one escalation each, and one more
    that tells of all others.
    """

    def __init__(self, *, loop: str, hourly: int) -> None:
        self._loop = loop
        self._hourly = hourly
        self._told_us: deque[int] = deque(maxlen=hourly)
        self._enough_us: int | None = None
        self._untold = 0
        self._seen: OrderedDict[str, None] = OrderedDict()

    def about(self, verdict: Verdict, *, until_us: int, now_us: int) -> Notice | None:
        """Return what to tell of a verdict at this time: of each escalation its first one, while it is open."""
        proposal = verdict.proposal
        if verdict.verdict != "escalate" or proposal.id in self._seen or now_us >= until_us:
            return None
        self._seen[proposal.id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if len(self._told_us) < self._hourly or now_us - self._told_us[0] >= HOUR_US:
            self._told_us.append(now_us)
            return Notice(id=verdict.id, text=self._question(verdict, until_us))
        self._untold += 1
        if self._enough_us is not None and now_us - self._enough_us < HOUR_US:
            return None
        self._enough_us = now_us
        text = f"{self._loop}: more than {self._hourly} questions in an hour; `flyball approvals` lists all of them"
        return Notice(id=f"{verdict.id}-enough", text=text)

    def _question(self, verdict: Verdict, until_us: int) -> str:
        proposal = verdict.proposal
        untold, self._untold = self._untold, 0
        who = "" if proposal.by == "loop" else f" as {proposal.by} proposed ({proposal.reason})"
        until = time.strftime("%H:%M UTC", time.gmtime(until_us / 1e6))
        lines = [
            f"{self._loop} asks: {proposal.action} on {proposal.entity} against {proposal.pattern}{who}?",
            f"`flyball approve {proposal.id[:12]}` or `reject`, until {until}",
        ]
        if untold:
            lines.append(f"({untold} more were not told one by one; `flyball approvals` lists what is open)")
        return "\n".join(lines)


def body_of(notice: Notice) -> bytes:
    """Return the message as Slack's incoming webhooks take it; what Slack would read as markup is escaped."""
    text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})
