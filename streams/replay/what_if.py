"""What another gate would have said: the steps of a recorded gate, taken by one with other settings.

Proposals, episodes, outcomes and orders are taken as recorded. An action that both gates let through for the same
cause has the same id, so its recorded outcome serves both. One that only the other gate lets through, or at another
time, never ran: it is assumed to succeed after the usual time of its kind. What the loop would have proposed, learned
or measured otherwise, no log can tell.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.events import NONE, Action, Episode, Event, Experience, JournalEntry, Outcome, Proposal, Verdict
from schemas.keyring import LOOP
from schemas.raw import Headers, RawBatch
from streams.loop.processor import Now
from streams.loop.role import Decode, Role
from streams.loop.step import take_recorded
from streams.replay.decisions import Decisions, decision_of

ASSUMED = "assumed"
"""The source of outcomes that nobody recorded, and what an experience is about that was made under other verdicts."""
LATE_US = 5_000_000
"""A timer that has been due for so long has fired, although no recorded step says so: only the other gate had it."""
MakeGate = Callable[[str, Decode], Role]
"""(hash of the settings that count as activated, decoder) to a gate without state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is known of the recorded run beforehand: its actions, and how long those of each name took (us)."""

    actions: Collection[str]
    usual_us: Mapping[str, int] = field(default_factory=dict)


class OtherGate:
    """One gate with other settings that follows a recorded one, step by step."""

    def __init__(self, make: MakeGate, decode: Decode, recorded: Recorded, *, loop: str) -> None:
        """`make` returns the gate; `decode` must be its own: it learns from the log."""
        self.decisions = Decisions()
        self.moot: set[str] = set()
        """Proposals that would not have been made: their episode was acted on before."""
        self.assumed = 0
        """Actions whose end is assumed."""
        self.left_out: set[str] = set()
        """Proposals about episodes of which a record that begins late does not know whether they were open."""
        self._make = make
        self._decode = decode
        self._recorded = recorded
        self._loop = loop
        self._role: Role | None = None
        self._hash = ""
        self._instance = ""
        self._last = Now(0, 0)
        self._opened: set[str] | None = None
        """Episodes that opened since a record began late."""
        self._acted: set[str] = set()
        """Episodes that this gate alone let something be done about, or earlier."""
        self._ends: dict[str, Outcome] = {}
        """Assumed ends that are still to come, by action."""

    def begin_late(self, settings_hash: str, orders: Iterable[tuple[int, RawBatch]]) -> None:
        """Hear the orders, each with its time (us), that the recorded gate had heard before the record begins."""
        role = self._gate_under(settings_hash)
        self._opened = set()
        for time_us, order in orders:
            self._last = Now(max(time_us, self._last.us), max(time_us, self._last.us))
            role.fold([order], self._last)

    def take(self, entry: JournalEntry, batches: Sequence[RawBatch]) -> None:
        """Take a recorded step on its recorded inputs, and before it what was due by then.

        Timers that are due at a step without inputs, or at the first one of a worker that took over, fire in it or
        behind it: the recorded ones did not before.
        """
        role = self._gate_under(entry.settings_hash)
        late = not entry.inputs or entry.instance != self._instance
        self._instance = entry.instance
        self._catch_up(role, entry.time_us, timers=not late)
        output = take_recorded(role, entry, batches, loop=self._loop)
        self._last = output.now
        self._see(output.events)

    def _gate_under(self, settings_hash: str) -> Role:
        """Return the gate, as activated by the orders that activated the recorded one under this hash."""
        if self._role is None or settings_hash != self._hash:
            former, decode = self._role, Decode(event=self._event, telemetry=self._decode.telemetry)
            self._role, self._hash = self._make(settings_hash, decode), settings_hash
            if former is not None:
                self._role.restore(former.snapshot())
        return self._role

    def _catch_up(self, role: Role, now_us: int, *, timers: bool) -> None:
        """Fire `timers` that the recorded gate did not have, and let actions end that it did not let through."""
        while True:
            due_us = role.next_time()
            end = min(self._ends.values(), key=_end_us, default=None)
            end_us = None if end is None else _end_us(end)
            if end is not None and end_us is not None and end_us <= now_us and (due_us is None or end_us <= due_us):
                self._fold_end(role, end, end_us)
            elif timers and due_us is not None and (due_us <= self._last.us or due_us + LATE_US < now_us):
                self._last = Now(max(due_us, self._last.us), self._last.control_heard_us)
                self._see(role.tick(self._last))
            else:
                return

    def _fold_end(self, role: Role, end: Outcome, end_us: int) -> None:
        self._last = Now(max(end_us, self._last.us), self._last.control_heard_us)
        offset = role.next_offset(ASSUMED, 0)
        batch = RawBatch(
            topic=ASSUMED,
            partition=0,
            offsets=(offset,),
            keys=(end.action.encode(),),
            values=(None,),
            headers=((),),
        )
        self._see(role.fold([batch], self._last))
        del self._ends[end.action]

    def _event(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, now: Now) -> Event:
        """Decode a record, and take it as it would have been under this gate's own verdicts, as far as that is known.

        A proposal for an episode that was acted on before would not have been made. An experience of it, or of what
        this gate alone let through, tells what came of something else: it is no evidence here.
        """
        if topic == ASSUMED:
            return self._ends[(key or b"").decode()]
        match event := self._decode.event(topic, key, value, headers, now):
            case Episode() if self._opened is not None and event.phase == "opened":
                self._opened.add(event.episode)
            case Proposal() if self._would_not_be_made(event):
                self.moot.add(event.id)
                return replace(event, action=NONE)
            case Experience() if self._was_made_otherwise(event.proposal):
                return replace(event, proposal=f"{ASSUMED}/{event.proposal}")
            case _:
                pass
        return event

    def _would_not_be_made(self, proposal: Proposal) -> bool:
        return proposal.by == LOOP and proposal.episode in self._acted and proposal.id not in self.decisions.of

    def _was_made_otherwise(self, proposal: str) -> bool:
        decision = self.decisions.of.get(proposal)
        issued = None if decision is None else decision.issued
        return proposal in self.moot or (issued is not None and issued not in self._recorded.actions)

    def _see(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Verdict):
                self._decided(event)
            elif isinstance(event, Action):
                self._issued(event)

    def _decided(self, verdict: Verdict) -> None:
        episode = verdict.proposal.episode
        if self._opened is None or not episode or episode in self._opened:
            self.decisions.see(decision_of(verdict))
        else:
            self.left_out.add(verdict.proposal.id)

    def _issued(self, action: Action) -> None:
        if action.id in self._recorded.actions:
            return
        self.assumed += 1
        if action.episode:
            self._acted.add(action.episode)
        took_us = self._recorded.usual_us.get(action.action, action.expires_us - action.issued_us)
        self._ends[action.id] = Outcome(
            id=f"{ASSUMED}/{action.id}",
            time_us=action.issued_us + took_us,
            action=action.id,
            entity=action.entity,
            group=ASSUMED,
            executor=ASSUMED,
            state="succeeded",
            ended_us=action.issued_us + took_us,
        )


def _end_us(end: Outcome) -> int:
    return end.time_us
