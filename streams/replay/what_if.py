"""What another gate would have said: the steps of a recorded gate, taken by one with other settings.

Proposals, episodes, outcomes and orders are taken as recorded. An action that both gates let through for the same
cause has the same id, so its recorded outcome serves both. One that only the other gate lets through, or at another
time, never ran: it is assumed to succeed after the usual time of its kind. What the loop would have proposed, learned
or measured otherwise, no log can tell.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.errors import RecoveryError
from schemas.events import NONE, Action, Event, JournalEntry, Outcome, Proposal, Verdict
from schemas.keyring import LOOP
from schemas.raw import Headers, RawBatch
from streams.loop.processor import Now
from streams.loop.role import Decode, Role
from streams.loop.step import take_recorded
from streams.replay.decisions import Decisions
from streams.replay.reading import ReadRange, inputs_of

ASSUMED = "assumed"
"""The source of outcomes that nobody recorded."""
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
        self._make = make
        self._decode = decode
        self._recorded = recorded
        self._loop = loop
        self._role: Role | None = None
        self._hash = ""
        self._last = Now(0, 0)
        self._acted: set[str] = set()
        """Episodes that this gate alone let something be done about, or earlier."""
        self._ends: dict[str, Outcome] = {}
        """Assumed ends that are still to come, by action."""

    def take(self, entry: JournalEntry, batches: Sequence[RawBatch]) -> None:
        """Take a recorded step on its recorded inputs, and before it what was due by then."""
        role = self._gate_under(entry.settings_hash)
        self._catch_up(role, entry.time_us)
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

    def _catch_up(self, role: Role, now_us: int) -> None:
        """Fire timers that the recorded gate did not have, and let actions end that it did not let through."""
        while True:
            due_us = role.next_time()
            end = min(self._ends.values(), key=_end_us, default=None)
            end_us = None if end is None else _end_us(end)
            if end is not None and end_us is not None and end_us <= now_us and (due_us is None or end_us <= due_us):
                self._fold_end(role, end, end_us)
            elif due_us is not None and (due_us <= self._last.us or due_us + LATE_US < now_us):
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
        """Decode a record; a proposal for an episode that was acted on before would not have been made."""
        if topic == ASSUMED:
            return self._ends[(key or b"").decode()]
        event = self._decode.event(topic, key, value, headers, now)
        if not isinstance(event, Proposal) or event.by != LOOP or event.episode not in self._acted:
            return event
        if event.id in self.decisions.of:
            return event
        self.moot.add(event.id)
        return replace(event, action=NONE)

    def _see(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Verdict):
                self.decisions.see(event)
            elif isinstance(event, Action):
                self._issued(event)

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


def follow(gates: Sequence[OtherGate], entries: Iterable[JournalEntry], read_range: ReadRange) -> str:
    """Let gates take every step of the gate's journal; return what is missing of the record, or "".

    Where inputs are gone the rest is not looked at: without them nothing later would be like it was.
    """
    missing = ""
    for number, entry in enumerate(entries):
        if number == 0 and entry.step > 0:
            missing = f"the journal begins at step {entry.step}: what was going on and spent before is not known"
        try:
            batches = inputs_of(entry, read_range)
        except RecoveryError as error:
            return str(error)
        for gate in gates:
            gate.take(entry, batches)
    return missing


def _end_us(end: Outcome) -> int:
    return end.time_us
