"""What people are told, and when it is enough: at most so many messages an hour, then one that says so."""

import time

import msgspec

from schemas.events import Blocked, Check, Verdict

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
REMEMBERED = 10_000
"""Escalations that are not told again, and entities."""
_SPELLED = {"second": "a second", "minute": "a minute", "hour": "an hour", "day": "a day", "week": "a week"}
_ALL = "`flyball approvals` lists all questions, `flyball status` what is left to people"
_MORE = "gate.escalation_limit in loop.toml says how many are, `flyball approvals` lists them"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its id (the same when it is sent again), what it says, and until when that is worth saying.

    `question`: the proposal that it asks about, where it asks.
    """

    id: str
    text: str
    until_us: int
    question: str = ""


class Told(msgspec.Struct, kw_only=True):
    """What must not be forgotten over a restart: escalations to when they are over, entities that are left to people to
    when they may be acted on again, and the latest messages.
    """

    until_us: dict[str, int] = {}
    left_us: dict[str, int] = {}
    told_us: list[int] = []
    enough_us: int | None = None
    untold: int = 0
    unasked_us: int | None = None
    """When people were last told that the gate asks no more."""
    unasked: int = 0
    """What it denied since, as it may ask no more."""


class Notices:
    """Turns what the gate says into messages. In every hour there are at most `hourly` about one escalation or one
    entity each, one more that tells of all others, and one of what the gate denies as it may ask no more
    (`gate.escalation_limit`). `told` is all that it remembers.
    """

    def __init__(self, *, loop: str, hourly: int) -> None:
        self._loop = loop
        self._hourly = hourly
        self.told = Told()

    def about(self, said: Verdict | Blocked, *, window_us: int, now_us: int) -> list[Notice]:
        """Return what to tell at this time: of each escalation its first verdict, while it is open (for `window_us`
        from then), once that an entity is left to people, until it has attempts again, and that it asks no more.
        """
        notices = [self._left(said, entity, check, now_us) for entity, check in said.left.items()]
        if isinstance(said, Verdict):
            notices.append(self._asked(said, said.time_us + window_us, now_us))
            notices += [self._unasked(said, check, now_us) for check in said.checks if check.name == said.decided_by]
        return [notice for notice in notices if notice is not None]

    def summary(self, now_us: int) -> list[Notice]:
        """Return how many more were not asked, an hour after it was told that one was not; nothing where none was."""
        told = self.told
        if told.unasked_us is None or not told.unasked or now_us - told.unasked_us < HOUR_US:
            return []
        text = f"{self._loop}: {told.unasked} more denied without a question; {_MORE}"
        notice = Notice(id=f"unasked-{told.unasked_us}", text=text, until_us=now_us + DAY_US)
        told.unasked, told.unasked_us = 0, now_us
        return [notice]

    def lose(self) -> None:
        """Note that a message never arrived: the next one says so."""
        self.told.untold += 1

    def _asked(self, verdict: Verdict, until_us: int, now_us: int) -> Notice | None:
        told, proposal = self.told, verdict.proposal
        if verdict.verdict != "escalate" or proposal.id in told.until_us:
            return None
        self._remember(proposal.id, until_us, now_us)
        if now_us >= until_us:
            return None
        text = self._question(verdict, until_us)
        return self._within_budget(verdict, text, now_us, until_us=until_us, question=proposal.id)

    def _unasked(self, verdict: Verdict, check: Check, now_us: int) -> Notice | None:
        """Tell at once that people are not asked any more; of all others within the hour `summary` tells."""
        told, proposal = self.told, verdict.proposal
        if check.name != "escalations":
            return None
        until_us = check.next_us or verdict.time_us + HOUR_US
        recent = told.unasked_us is not None and now_us - told.unasked_us < HOUR_US
        if recent or now_us >= until_us:
            told.unasked_us = told.unasked_us if recent else verdict.time_us
            told.unasked += 1
            return None
        told.unasked_us = now_us
        text = (
            f"{self._loop} may ask no more than {check.limit}: {proposal.action} on {proposal.entity} against "
            f"{proposal.pattern} is denied without a question, and so may others be until {_clock(until_us)}; {_MORE}"
        )
        return Notice(id=f"{verdict.id}-unasked", text=text, until_us=until_us)

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
        return self._within_budget(said, text, now_us, until_us=until_us)

    def _within_budget(
        self, said: Verdict | Blocked, text: str, now_us: int, *, until_us: int, question: str = ""
    ) -> Notice | None:
        """Return a message, or what stands for all that are too many."""
        told = self.told
        if len(told.told_us) < self._hourly or now_us - told.told_us[-self._hourly] >= HOUR_US:
            told.told_us = [*told.told_us, now_us][-self._hourly :]
            untold, told.untold = told.untold, 0
            more = f"\n({untold} more were not told one by one; {_ALL})" if untold else ""
            return Notice(id=said.id, text=f"{text}{more}", until_us=until_us, question=question)
        told.untold += 1
        if told.enough_us is not None and now_us - told.enough_us < HOUR_US:
            return None
        told.enough_us = now_us
        text = f"{self._loop}: more than {self._hourly} messages in an hour; {_ALL}"
        return Notice(id=f"{said.id}-enough", text=text, until_us=now_us + HOUR_US)

    def _remember(self, proposal: str, until_us: int, now_us: int) -> None:
        """Note an escalation, and forget those that were over an hour ago: the gate says no more of them."""
        known = {key: us for key, us in self.told.until_us.items() if now_us < us + HOUR_US} | {proposal: until_us}
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        self.told.until_us = known

    def _question(self, verdict: Verdict, until_us: int) -> str:
        proposal = verdict.proposal
        who = "" if proposal.by == "loop" else f" as {proposal.by} proposed ({proposal.reason})"
        return (
            f"{self._loop} asks: {proposal.action} on {proposal.entity} against {proposal.pattern}{who}?\n"
            f"`flyball approve {proposal.id[:12]}` or `reject`, until {_clock(until_us)}"
        )


def _clock(time_us: int) -> str:
    return time.strftime("%H:%M UTC", time.gmtime(time_us / 1e6))


def body_of(notice: Notice) -> bytes:
    """Return the message as Slack's incoming webhooks take it; what Slack would read as markup is escaped."""
    text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})
