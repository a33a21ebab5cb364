"""What people are told, and when it is enough: at most so many messages an hour, then one that says so."""

import time

import msgspec

from schemas.events import Blocked, Check, Verdict

HOUR_US = 3_600_000_000
REMEMBERED = 10_000
"""Escalations that are not told again, and entities."""
_SPELLED = {"second": "a second", "minute": "a minute", "hour": "an hour", "day": "a day", "week": "a week"}
_ALL = "`flyball approvals` lists all questions, `flyball status` what is left to people"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its id (the same when it is sent again) and what it says."""

    id: str
    text: str


class Told(msgspec.Struct, kw_only=True):
    """What must not be forgotten over a restart: escalations to when they are over, entities that are left to people to
    when they may be acted on again, and the latest messages.
    """

    until_us: dict[str, int] = {}
    left_us: dict[str, int] = {}
    told_us: list[int] = []
    enough_us: int | None = None
    untold: int = 0


class Notices:
    """Turns what the gate says into messages. In every hour there are at most `hourly` about one escalation or one
    entity each, and one more that tells of all others. `told` is all that it remembers.
    """

    def __init__(self, *, loop: str, hourly: int) -> None:
        self._loop = loop
        self._hourly = hourly
        self.told = Told()

    def about(self, said: Verdict | Blocked, *, window_us: int, now_us: int) -> list[Notice]:
        """Return what to tell at this time: of each escalation its first verdict, while it is open (for `window_us`
        from then), and once that an entity is left to people, until it has attempts again.
        """
        notices = [self._left(said, entity, check, now_us) for entity, check in said.left.items()]
        if isinstance(said, Verdict):
            notices.append(self._asked(said, said.time_us + window_us, now_us))
        return [notice for notice in notices if notice is not None]

    def _asked(self, verdict: Verdict, until_us: int, now_us: int) -> Notice | None:
        told, proposal = self.told, verdict.proposal
        if verdict.verdict != "escalate" or proposal.id in told.until_us:
            return None
        self._remember(proposal.id, until_us, now_us)
        if now_us >= until_us:
            return None
        return self._within_budget(verdict, self._question(verdict, until_us), now_us)

    def _left(self, said: Verdict | Blocked, entity: str, check: Check, now_us: int) -> Notice | None:
        """Tell that the last actions on an entity did not hold, once until it may be acted on again."""
        until_us = check.next_us or 0
        if said.time_us < self.told.left_us.get(entity, 0) or now_us >= until_us:
            return None
        known = {key: us for key, us in self.told.left_us.items() if now_us < us} | {entity: until_us}
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        self.told.left_us = known
        window = (check.limit or "").partition("/")[2]
        actions = "1 action" if check.spent == 1 else f"{check.spent} actions"
        text = (
            f"{entity}: {actions} within {_SPELLED.get(window, window)} did not hold; the loop leaves it to you: "
            f"`flyball why {entity}`"
        )
        return self._within_budget(said, text, now_us)

    def _within_budget(self, said: Verdict | Blocked, text: str, now_us: int) -> Notice | None:
        """Return a message, or what stands for all that are too many."""
        told = self.told
        if len(told.told_us) < self._hourly or now_us - told.told_us[-self._hourly] >= HOUR_US:
            told.told_us = [*told.told_us, now_us][-self._hourly :]
            untold, told.untold = told.untold, 0
            more = f"\n({untold} more were not told one by one; {_ALL})" if untold else ""
            return Notice(id=said.id, text=f"{text}{more}")
        told.untold += 1
        if told.enough_us is not None and now_us - told.enough_us < HOUR_US:
            return None
        told.enough_us = now_us
        return Notice(
            id=f"{said.id}-enough", text=f"{self._loop}: more than {self._hourly} messages in an hour; {_ALL}"
        )

    def _remember(self, proposal: str, until_us: int, now_us: int) -> None:
        """Note an escalation, and forget those that were over an hour ago: the gate says no more of them."""
        known = {key: us for key, us in self.told.until_us.items() if now_us < us + HOUR_US} | {proposal: until_us}
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        self.told.until_us = known

    def _question(self, verdict: Verdict, until_us: int) -> str:
        proposal = verdict.proposal
        who = "" if proposal.by == "loop" else f" as {proposal.by} proposed ({proposal.reason})"
        until = time.strftime("%H:%M UTC", time.gmtime(until_us / 1e6))
        return (
            f"{self._loop} asks: {proposal.action} on {proposal.entity} against {proposal.pattern}{who}?\n"
            f"`flyball approve {proposal.id[:12]}` or `reject`, until {until}"
        )


def body_of(notice: Notice) -> bytes:
    """Return the message as Slack's incoming webhooks take it; what Slack would read as markup is escaped."""
    text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})
