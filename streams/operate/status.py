"""What the loop is doing, as every part of it last said on its topics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import TypeVar

import msgspec

from schemas.events import Blocked, Control, Drift, Event, Outcome, Overflow, Presence, Storm, Verdict
from streams.operate.confirmation import GONE_S, Answer, Confirmation
from streams.operate.ends import states_of
from streams.operate.held import TOPICS as HELD_TOPICS
from streams.operate.held import Held, Ledger
from streams.operate.in_force import orders_in_force
from streams.operate.story import Reader
from streams.operate.topic_reader import TopicReader

Told = TypeVar("Told", bound=Event)

STALE_US = 10_000_000
"""A part that has said nothing for so long counts as not answering."""
STORM_US = 86_400_000_000
"""A storm that nothing was told of for so long is no longer listed."""
INSIGHTS_US = 3_600_000_000
"""How far back insights are looked at: they are many, and what finds no room is told of every minute."""


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker or executor. `confirms_stop`: it says that it obeys the loop's pause, hears no orders, or has ended.

    `in_flight` are the actions in its hands, `control_offset` is behind the last order that it has heard, and an `idle`
    worker holds no partition.
    """

    instance: str
    role: str
    state: str
    step: int
    lag: int
    age_s: float
    control_age_s: float
    answering: bool
    in_flight: tuple[str, ...]
    same_settings: bool
    confirms_stop: bool
    said_us: int = 0
    control_offset: int = 0
    idle: bool = False
    why: str = ""
    """Why it is paused, where it is."""

    def answer(self, *, confirmed: bool, held: tuple[Held, ...]) -> Answer:
        """Return what it made of an order: who is not heard has not confirmed."""
        return Answer(
            name=self.instance.removeprefix("executor/"),
            confirmed=confirmed and self.answering,
            silent_s=None if self.answering else self.age_s,
            held=held,
        )


class LoopStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole loop at one moment. Counts are over what the topics still hold."""

    loop: str
    paused: bool
    pauses: dict[str, str]
    activated_settings: str | None
    settings_hash: str
    parts: tuple[PartStatus, ...]
    verdicts: dict[str, int]
    refusals: dict[str, int]
    outcomes: dict[str, int]
    blocked_until_us: dict[str, int]
    breakers: dict[str, int] = {}
    """Those that are open (`action:NAME`, `loop`), and since when; `flyball rearm` closes them."""
    left_to_people: dict[str, int] = {}
    """Entities on which the allowed actions did not hold, and when they may be acted on again."""
    storms: tuple[Storm, ...] = ()
    """Those that are not over, as last told."""
    stopped_here: str | None = None
    """What stops the loop on the machine that asks: its stop file."""
    drifts: tuple[Drift, ...] = ()
    overflows: tuple[Overflow, ...] = ()
    """The last of each subject, or limit, and partition (see `with_insights`)."""
    held: tuple[Held, ...] = ()
    """What executors have begun and not ended."""
    paused_s: float = inf
    """How long ago the loop was paused."""

    @property
    def stop_confirmed(self) -> bool:
        """Whether the gate and every executor have stopped, and nothing is running, or may be."""
        return self._confirmation().stopped

    def stop_line(self) -> str:
        """Say who has confirmed a pause, who has not, who is not heard, and what is still running."""
        found = self._confirmation()
        return f"{found.who()}; {found.running()}{found.missing()}"

    def _confirmation(self) -> Confirmation:
        confirmed = {part.instance for part in self.parts if part.confirms_stop}
        return confirmation(self.parts, self.held, confirmed=confirmed, age_s=self.paused_s)


def confirmation(
    parts: Iterable[PartStatus], held: Iterable[Held], *, confirmed: set[str], age_s: float
) -> Confirmation:
    """Return what the gate and every executor made of an order of some age; `confirmed` are instances."""
    known = {(one.executor, one.action): one for one in held}
    answers: dict[str, list[Answer]] = {"gate": [], "executor": []}
    for part in parts:
        if part.role not in answers or part.state == "stopping" or (part.idle and part.answering):
            continue
        holds = tuple(
            known.get((part.instance, name)) or Held(action=name, executor=part.instance) for name in part.in_flight
        )
        answer = part.answer(confirmed=part.instance in confirmed, held=holds)
        if holds or part.age_s < GONE_S:
            answers[part.role].append(answer)
    return Confirmation(gates=tuple(answers["gate"]), executors=tuple(answers["executor"]), age_s=age_s)


def read_status(reader: Reader, *, loop: str, settings_hash: str, now_us: int) -> LoopStatus:
    """Read the loop's topics to their end and sum up; raises `BrokerError`."""
    positions, control = _orders_in_force(reader)
    pauses = pauses_in_force(control, now_us=now_us)
    activated = control.get("settings/loop")
    orders = [positions[key] for key in ("pause/loop", "stop/loop") if key in pauses]
    paused = "pause/loop" not in control or bool(orders)
    verdicts: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    blocked: dict[str, int] = {}
    breakers: dict[str, int] = {}
    left: dict[str, int] = {}
    for _, event in reader.events("verdicts"):
        if isinstance(event, Verdict):
            verdicts[event.verdict] += 1
            refusals[event.decided_by or "passed"] += 1
        elif isinstance(event, Blocked):
            breakers = event.breakers
            event.bring_up_to_date(blocked)
        if isinstance(event, Verdict | Blocked):
            left |= left_to_people(event, now_us)
    parts = read_parts(reader, settings_hash, now_us=now_us, pause_offset=min(orders, default=-1) if paused else None)
    parts, held = with_held(parts, (event for _, event in reader.events(*HELD_TOPICS)), now_us=now_us)
    since_us = [control[key].time_us for key in ("pause/loop", "stop/loop") if key in pauses]
    return LoopStatus(
        loop=loop,
        paused=paused,
        pauses=pauses,
        activated_settings=activated.value if activated else None,
        settings_hash=settings_hash,
        parts=parts,
        held=held,
        paused_s=(now_us - min(since_us, default=0)) / 1e6,
        verdicts=dict(sorted(verdicts.items())),
        refusals=dict(sorted(refusals.items())),
        outcomes=_outcome_states(reader),
        blocked_until_us={scope: until for scope, until in sorted(blocked.items()) if until == 0 or until > now_us},
        breakers=breakers,
        left_to_people=dict(sorted(left.items())),
        storms=open_storms((event for _, event in reader.events("patterns")), since_us=now_us - STORM_US),
    )


def left_to_people(said: Verdict | Blocked, now_us: int) -> dict[str, int]:
    """Return what the gate says is left to people, until when, where that is so by now; else nothing."""
    until_us = {entity: check.next_us or 0 for entity, check in said.left.items()}
    return {entity: us for entity, us in until_us.items() if us > now_us}


def pauses_in_force(control: Mapping[str, Control], *, now_us: int) -> dict[str, str]:
    """Return the reason of every pause and stop that holds now, by its scope."""
    pauses = {
        key: event.reason or "no reason given"
        for key, event in control.items()
        if event.kind == "pause" and event.value == "paused" and (event.until_us is None or event.until_us > now_us)
    }
    return pauses | {key: event.reason or "no reason given" for key, event in control.items() if event.kind == "stop"}


def with_held(
    parts: tuple[PartStatus, ...], events: Iterable[Event], *, now_us: int
) -> tuple[tuple[PartStatus, ...], tuple[Held, ...]]:
    """Return the parts with what executors have begun and not ended in `in_flight`, and the same in words.

    `events` are those of `held.TOPICS`: what an executor last said of itself may be old.
    """
    ledger = Ledger()
    for event in events:
        ledger.fold(event)
    found: list[PartStatus] = []
    all_held: list[Held] = []
    for part in parts:
        held: tuple[Held, ...] = ()
        if part.role == "executor" and part.state != "stopping":
            held = ledger.held_by(
                part.instance, said=part.in_flight, said_us=part.said_us, answering=part.answering, now_us=now_us
            )
        found.append(msgspec.structs.replace(part, in_flight=tuple(one.action for one in held)))
        all_held += held
    return tuple(found), tuple(all_held)


def with_insights(status: LoopStatus, reader: TopicReader, *, now_us: int) -> LoopStatus:
    """Return the status with what drifted and what found no room in the last hour; raises `BrokerError`."""
    found = reader.events("insights", since_us=now_us - INSIGHTS_US, kinds=(Drift, Overflow))
    drifts, overflows = latest_insights(event for _, event in found)
    return msgspec.structs.replace(status, drifts=drifts, overflows=overflows)


def latest_insights(events: Iterable[Event]) -> tuple[tuple[Drift, ...], tuple[Overflow, ...]]:
    """Return the last drift of each subject, and the last word on each limit, of each partition, the latest last.

    Events are looked at one by one, and only what is returned is kept.
    """
    drifts: dict[tuple[str, int | None], Drift] = {}
    overflows: dict[str, Overflow] = {}
    for event in events:
        if isinstance(event, Drift):
            drifts[event.subject, event.partition] = event
        elif isinstance(event, Overflow):
            overflows[event.key()] = event
    return _by_time(drifts.values()), _by_time(overflows.values())


def open_storms(events: Iterable[Event], *, since_us: int) -> tuple[Storm, ...]:
    """Return the last word on each storm that is not over and was told since, in the order in which they came up."""
    latest = {event.storm: event for event in events if isinstance(event, Storm)}
    return tuple(storm for storm in latest.values() if storm.phase == "open" and storm.time_us >= since_us)


def _by_time(events: Iterable[Told]) -> tuple[Told, ...]:
    return tuple(sorted(events, key=lambda event: event.time_us))


def _orders_in_force(reader: Reader) -> tuple[dict[str, int], dict[str, Control]]:
    """Return the order in force of every scope and its offset."""
    found = orders_in_force(reader.events("control"))
    return {scope: offset for scope, (offset, _) in found.items()}, {
        scope: order for scope, (_, order) in found.items()
    }


def read_parts(
    reader: Reader, settings_hash: str, *, now_us: int, pause_offset: int | None = None
) -> tuple[PartStatus, ...]:
    """Return the last word of every part; `pause_offset` is where the loop's pause lies, None when it is running."""
    latest = {event.instance: event for _, event in reader.events("presence") if isinstance(event, Presence)}
    return tuple(
        PartStatus(
            instance=event.instance,
            role=event.role,
            state=event.state,
            step=event.step,
            lag=event.lag,
            age_s=(now_us - event.time_us) / 1e6,
            control_age_s=(now_us - event.control_heard_us) / 1e6,
            answering=now_us - event.time_us <= STALE_US,
            in_flight=event.in_flight,
            same_settings=event.settings_hash in ("", settings_hash),
            confirms_stop=_stopped(event, now_us, pause_offset),
            said_us=event.time_us,
            control_offset=event.control_offset,
            idle=event.role != "executor" and not event.partitions,
            why=event.why,
        )
        for event in sorted(latest.values(), key=lambda event: (event.role, event.instance))
    )


def _outcome_states(reader: Reader) -> dict[str, int]:
    """Count actions by their state (`states_of`)."""
    states = states_of(event for _, event in reader.events("outcomes") if isinstance(event, Outcome))
    return dict(sorted(Counter(states.values()).items()))


def _stopped(event: Presence, now_us: int, pause_offset: int | None) -> bool:
    """Return whether a part says that it starts nothing: it obeys the pause, hears no orders, or has ended."""
    if event.state == "stopping":
        return True
    obeys = pause_offset is not None and event.control_offset > pause_offset
    deaf = event.time_us - event.control_heard_us > STALE_US
    return now_us - event.time_us <= STALE_US and (obeys or deaf)
