"""What people are told, and when it is enough: at most so many messages an hour, then one that says so."""

import time

import msgspec

from schemas.events import Verdict

HOUR_US = 3_600_000_000
REMEMBERED = 10_000
"""Escalations that are not told again."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its id (the same when it is sent again) and what it says."""

    id: str
    text: str


class Told(msgspec.Struct, kw_only=True):
    """What must not be forgotten over a restart: escalations to when they are over, and the latest messages."""

    until_us: dict[str, int] = {}
    told_us: list[int] = []
    enough_us: int | None = None
    untold: int = 0


class Notices:
    """Turns verdicts into messages. In every hour there are at most `hourly` about one escalation each, and one more
    that tells of all others. `told` is all that it remembers.
    """

    def __init__(self, *, loop: str, hourly: int) -> None:
        self._loop = loop
        self._hourly = hourly
        self.told = Told()

    def about(self, verdict: Verdict, *, until_us: int, now_us: int) -> Notice | None:
        """Return what to tell of a verdict at this time: of each escalation its first one, while it is open.

        `until_us` is when the escalation is over, were this its first verdict.
        """
        told, proposal = self.told, verdict.proposal
        if verdict.verdict != "escalate" or proposal.id in told.until_us:
            return None
        self._remember(proposal.id, until_us, now_us)
        if now_us >= until_us:
            return None
        if len(told.told_us) < self._hourly or now_us - told.told_us[-self._hourly] >= HOUR_US:
            told.told_us = [*told.told_us, now_us][-self._hourly :]
            return Notice(id=verdict.id, text=self._question(verdict, until_us))
        told.untold += 1
        if told.enough_us is not None and now_us - told.enough_us < HOUR_US:
            return None
        told.enough_us = now_us
        text = f"{self._loop}: more than {self._hourly} questions in an hour; `flyball approvals` lists all of them"
        return Notice(id=f"{verdict.id}-enough", text=text)

    def _remember(self, proposal: str, until_us: int, now_us: int) -> None:
        """Note an escalation, and forget those that were over an hour ago: the gate says no more of them."""
        known = {key: us for key, us in self.told.until_us.items() if now_us < us + HOUR_US} | {proposal: until_us}
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        self.told.until_us = known

    def _question(self, verdict: Verdict, until_us: int) -> str:
        proposal = verdict.proposal
        untold, self.told.untold = self.told.untold, 0
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
