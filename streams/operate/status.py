"""What the loop is doing, as every part of it last said on its topics."""

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from schemas.events import Blocked, Control, Drift, Event, Outcome, Overflow, Presence, Storm, Verdict
from streams.operate.ends import states_of
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
    """One worker or executor. `confirms_stop`: the loop is paused and it obeys that, or it hears nobody any more."""

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
    why: str = ""
    """Why it is paused, where it is."""


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
    storms: tuple[Storm, ...] = ()
    """Those that are not over, as last told."""
    stopped_here: str | None = None
    """What stops the loop on the machine that asks: its stop file."""
    drifts: tuple[Drift, ...] = ()
    overflows: tuple[Overflow, ...] = ()
    """The last of each subject, or limit, and partition (see `with_insights`)."""

    @property
    def stop_confirmed(self) -> bool:
        """Whether the gate and every executor have stopped, and nothing is running."""
        executors = self._parts_of("executor")
        return self._gate_stopped() and all(part.confirms_stop for part in executors) and not self._running()

    def stop_line(self) -> str:
        """Say who has confirmed a pause, who has not, and what is still running."""
        executors = self._parts_of("executor")
        gate_says = "gate confirmed" if self._gate_stopped() else "gate NOT confirmed"
        confirmed = sum(part.confirms_stop for part in executors)
        running = f"still running: {', '.join(self._running())}" if self._running() else "nothing running"
        return f"{gate_says}, {confirmed} of {len(executors)} executors confirmed; {running}"

    def _parts_of(self, role: str) -> list[PartStatus]:
        return [part for part in self.parts if part.role == role]

    def _gate_stopped(self) -> bool:
        gates = self._parts_of("gate")
        return bool(gates) and all(part.confirms_stop for part in gates)

    def _running(self) -> list[str]:
        return [name for part in self._parts_of("executor") if part.answering for name in part.in_flight]


def read_status(reader: TopicReader, *, loop: str, settings_hash: str, now_us: int) -> LoopStatus:
    """Read the loop's topics to their end and sum up; raises `BrokerError`."""
    positions, control = _orders_in_force(reader)
    pauses = {
        key: event.reason or "no reason given"
        for key, event in control.items()
        if event.kind == "pause" and event.value == "paused" and (event.until_us is None or event.until_us > now_us)
    }
    pauses |= {key: event.reason or "no reason given" for key, event in control.items() if event.kind == "stop"}
    activated = control.get("settings/loop")
    orders = [positions[key] for key in ("pause/loop", "stop/loop") if key in pauses]
    paused = "pause/loop" not in control or bool(orders)
    verdicts: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    blocked: dict[str, int] = {}
    for _, event in reader.events("verdicts"):
        if isinstance(event, Verdict):
            verdicts[event.verdict] += 1
            refusals[event.decided_by or "passed"] += 1
        elif isinstance(event, Blocked):
            event.bring_up_to_date(blocked)
    return LoopStatus(
        loop=loop,
        paused=paused,
        pauses=pauses,
        activated_settings=activated.value if activated else None,
        settings_hash=settings_hash,
        parts=read_parts(
            reader, settings_hash, now_us=now_us, pause_offset=min(orders, default=-1) if paused else None
        ),
        verdicts=dict(sorted(verdicts.items())),
        refusals=dict(sorted(refusals.items())),
        outcomes=_outcome_states(reader),
        blocked_until_us={scope: until for scope, until in sorted(blocked.items()) if until == 0 or until > now_us},
        storms=open_storms((event for _, event in reader.events("patterns")), since_us=now_us - STORM_US),
    )


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


def _orders_in_force(reader: TopicReader) -> tuple[dict[str, int], dict[str, Control]]:
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
            why=event.why,
        )
        for event in sorted(latest.values(), key=lambda event: (event.role, event.instance))
    )


def _outcome_states(reader: TopicReader) -> dict[str, int]:
    """Count actions by their last state; a claim counts only while nothing ended it."""
    states = states_of(event for _, event in reader.events("outcomes") if isinstance(event, Outcome))
    return dict(sorted(Counter(states.values()).items()))


def _stopped(event: Presence, now_us: int, pause_offset: int | None) -> bool:
    """Return whether a part starts nothing: it obeys the pause, is ending, or can neither hear nor be heard."""
    obeys = pause_offset is not None and event.control_offset > pause_offset
    silent = now_us - event.time_us > STALE_US or now_us - event.control_heard_us > STALE_US
    return event.state == "stopping" or silent or obeys
