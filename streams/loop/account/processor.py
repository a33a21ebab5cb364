"""The account: what was decided, by whom and what came of it, in a chain; and what each arm has been worth."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.events import ARMS, Arm, AuditEntry, Event, Experience, LedgerEntry, Outcome, Verdict
from schemas.ids import Cause, Mint
from streams.loop.account.answers import answer_in
from streams.loop.account.chain import GENESIS, link_hash
from streams.loop.account.ends import Ends
from streams.loop.account.facts import entry_of, short
from streams.loop.account.ledger import ArmSums, Score, score_of
from streams.loop.account.settings import AccountSettings
from streams.loop.processor import Input, Now, Record
from streams.loop.remembering import forget_oldest, remember
from streams.loop.versions import refuse_other_version

STATE_VERSION = 2
LOOP = "loop"
"""Who proposed what the ledger counts: arms are the loop's, and what a person decides is in none of them."""


class _State(msgspec.Struct):
    version: int
    sequence: int
    previous: str
    arms: dict[str, ArmSums]
    defaults: list[tuple[str, Score | None]]
    seen: list[str]
    ends: list[tuple[str, tuple[str, str]]]
    fresh: int
    fresh_us: int | None


class Account:
    """Writes one link of the audit chain per verdict, approval, outcome, experience and order, and the ledger.

    A late experience takes the place of the default that it corrects; an early one is in the chain, not in the ledger.
    Nor is what was done for a life as a whole: it is not held against what was done in episodes.
    An outcome that contradicts what was said of its action before names that among its facts.
    """

    name = "account"

    def __init__(self, settings: AccountSettings, *, loop: str) -> None:
        self._settings = settings
        self._loop = loop
        self._sequence = 0
        self._previous = GENESIS
        self._arms: dict[str, ArmSums] = {arm: ArmSums() for arm in ARMS}
        self._defaults: OrderedDict[str, Score | None] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._ends = Ends(limit=settings.remembered)
        self._fresh = 0
        self._fresh_us: int | None = None

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        mint = Mint(loop=self._loop, processor=self.name)
        outputs: list[Event] = []
        for record in inputs:
            if isinstance(record, Record) and (entry := entry_of(record.event)) is not None:
                if record.event.id in self._seen:
                    continue
                remember(self._seen, record.event.id, self._settings.remembered)
                if isinstance(record.event, Outcome):
                    entry[2].update(short(self._ends.note(record.event)))
                outputs.append(self._link(entry, record.cause, now, mint))
                outputs += self._fold(record.event, record.cause, now, mint)
        return outputs

    def on_time(self, now: Now) -> list[Event]:
        """Write the ledger when it is due."""
        due_us = self.next_time()
        if due_us is None or due_us > now.us:
            return []
        mint = Mint(loop=self._loop, processor=self.name)
        return self._write(Cause(f"timer:{self.name}:ledger", 0, due_us), now, mint)

    def next_time(self) -> int | None:
        """Return when the ledger is due."""
        return None if self._fresh_us is None else self._fresh_us + self._settings.ledger_us

    def snapshot(self) -> bytes:
        """Return the whole state."""
        state = _State(
            version=STATE_VERSION,
            sequence=self._sequence,
            previous=self._previous,
            arms=self._arms,
            defaults=list(self._defaults.items()),
            seen=list(self._seen),
            ends=self._ends.columns(),
            fresh=self._fresh,
            fresh_us=self._fresh_us,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        refuse_other_version(snapshot, of=self.name, version=STATE_VERSION)
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._sequence, self._previous = state.sequence, state.previous
        self._arms = state.arms
        self._defaults = OrderedDict(state.defaults)
        self._seen = OrderedDict((key, None) for key in state.seen)
        self._ends.restore(state.ends)
        self._fresh, self._fresh_us = state.fresh, state.fresh_us

    def _link(self, entry: tuple[str, str, dict[str, str]], cause: Cause, now: Now, mint: Mint) -> AuditEntry:
        subject, kind, facts = entry
        digest = link_hash(
            previous=self._previous,
            sequence=self._sequence,
            time_us=now.us,
            subject=subject,
            kind=kind,
            facts=facts,
        )
        link = AuditEntry(
            id=mint(cause),
            time_us=now.us,
            causes=(str(cause),),
            sequence=self._sequence,
            subject=subject,
            kind=kind,
            facts=facts,
            previous=self._previous,
            hash=digest,
        )
        self._sequence, self._previous = self._sequence + 1, digest
        return link

    def _fold(self, event: Event, cause: Cause, now: Now, mint: Mint) -> list[Event]:
        match event:
            case Experience() if event.by == LOOP and event.is_outcome and event.episode:
                return self._count(event, cause, now, mint)
            case Verdict() if answer_in(event) is not None:
                hold_out = event.proposal.hold_out
                self._arms[hold_out.arm if hold_out else "loop"].answers += 1
                return self._is_fresh(cause, now, mint)
            case _:
                pass
        return []

    def _count(self, experience: Experience, cause: Cause, now: Now, mint: Mint) -> list[Event]:
        arm = self._arms[experience.arm]
        if experience.state == "late":
            if experience.proposal not in self._defaults:
                return []  # what it corrects is no longer known: counting both would count one decision twice
            default = self._defaults.pop(experience.proposal)
            if default is not None:
                arm.remove(default)
        else:
            arm.decisions += 1
        score = score_of(experience)
        if score is not None:
            arm.add(score)
        if experience.state == "defaulted":
            self._defaults[experience.proposal] = score
            forget_oldest(self._defaults, self._settings.remembered)
        return self._is_fresh(cause, now, mint)

    def _is_fresh(self, cause: Cause, now: Now, mint: Mint) -> list[Event]:
        """Note that something is not in the ledger yet, and write it where that was the last that it waits for."""
        self._fresh += 1
        self._fresh_us = now.us if self._fresh_us is None else self._fresh_us
        return self._write(cause, now, mint) if self._fresh >= self._settings.every else []

    def _write(self, cause: Cause, now: Now, mint: Mint) -> list[Event]:
        self._fresh, self._fresh_us = 0, None
        return [
            self._entry(arm, self._numbers(arm), cause, now, mint(cause))
            for arm in ARMS
            if self._arms[arm].decisions or self._arms[arm].answers
        ]

    def _numbers(self, arm: Arm) -> dict[str, float | int]:
        return self._arms[arm].numbers(minutes_per_answer=self._settings.minutes_per_answer)

    def _entry(self, arm: Arm, numbers: dict[str, Any], cause: Cause, now: Now, event_id: str) -> LedgerEntry:
        return LedgerEntry(id=event_id, time_us=now.us, causes=(str(cause),), arm=arm, **numbers)
