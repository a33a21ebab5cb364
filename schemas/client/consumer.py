"""Take actions off a loop and do each at most once: what an executor is built on."""

import contextlib
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from .. import kafka, wire
from ..clock import LoopClock, wall_us
from ..connection import KafkaConnection
from ..errors import BrokerError, ContractError, SettingsError
from ..events import Action, DeadLetter, Presence
from ..ids import Cause
from ..keyring import Trust
from ..signing import Audience, Signer
from ..stop_file import StopFile
from .authority import Authority
from .duplicates import FORGET_AFTER_US, DuplicateStore
from .member import Member
from .outcomes import OutcomeLog, Sent
from .own_records import End, OwnRecords
from .watch import ControlWatch

_MINUTE_US = 60_000_000
_WRITE_TIMEOUT_S = 10.0


class ActionConsumer:
    """Hands over each action of `LOOP.actions` that may start here and now, once, after its claim has won.

    Use it as a context manager: `with ActionConsumer(...) as consumer: for action in consumer: ...`, call
    `may_act(action)` right before the effect and before each retry, and `report(action, state)` exactly once. Honour
    `action.dry_run`. Who does some of the loop's actions only names them: `consumer.poll(names=("restart",))`.

    `executor` names this instance within its group, for good: a restart under the same name declares `unknown` what was
    left without an end. Only one thread may poll; any thread may report.

    `trust` holds the keyring and the pinned root key, `signer` a key for `outcomes`, `store` the folder of its memory,
    which no other instance shares. `start_limits` are (count, interval in us): at most so many starts in each interval
    of that length, over restarts too; what is beyond is refused. They are counted by a clock that no step of `clock`,
    the wall clock that actions expire by, reaches until the process is started anew. `approvals_least` maps actions to
    how many people must have approved them, whatever the gate says: each approval that an action holds is checked again
    here. `stop_file` is where a file may lie that stops this machine; while it does, or its folder cannot be read,
    nothing starts.
    Raises `FencedError` when another process has the memory, `StorageError` when the memory cannot be written,
    `BrokerError` when Kafka refuses.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        audience: Audience,
        trust: Trust,
        signer: Signer,
        group: str,
        executor: str,
        store: Path,
        start_limits: tuple[tuple[int, int], ...] = ((60, _MINUTE_US),),
        start_timeout_s: float = 30.0,
        approvals_least: Mapping[str, int] = MappingProxyType({}),
        stop_file: Path | None = None,
        clock: Callable[[], int] = wall_us,
    ) -> None:
        longest_us = max((interval_us for _, interval_us in start_limits), default=0)
        if longest_us > FORGET_AFTER_US:
            raise SettingsError([f"expected a limit of starts over at most 40 days, got {longest_us / 1_000_000:g} s"])
        self._connection = connection
        self._audience = audience
        self._group = group
        self._executor = executor
        self._start_limits = start_limits
        self._start_timeout_s = start_timeout_s
        self._authority = Authority(trust=trust, audience=audience, least=approvals_least)
        self._clock = clock
        self._steady = LoopClock(wall_us=clock)
        self._own = OwnRecords(loop=audience.loop, group=group, executor=executor, clock=clock)
        self._in_flight: dict[str, tuple[Action, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._partitions: tuple[int, ...] = ()
        self._store = DuplicateStore(store, loop=audience.loop, group=group, cluster=audience.cluster, now_us=clock())
        self._producer = kafka.make_producer(connection, linger_ms=0, acks="all", message_timeout_ms=30_000)
        self._watch = ControlWatch(
            connection,
            audience=audience,
            trust=trust,
            clock=clock,
            on_beat=self._tell,
            stop_file=None if stop_file is None else StopFile(stop_file),
        )
        self._outcomes = OutcomeLog(
            connection,
            self._producer,
            audience=audience,
            trust=trust,
            signer=signer,
            store=self._store,
            control_heard_s=self._watch.heard_s,
        )
        self._member: Member | None = None

    def start(self) -> None:
        """Read `control` and `outcomes` to their ends, settle what a former life left open, and join the group.

        Raises `BrokerError` when Kafka does not answer within `start_timeout_s`.
        """
        self._watch.start()
        self._watch.wait_heard(self._start_timeout_s)  # whose claims count, `control` says
        if self._watch.failure is not None:
            raise self._watch.failure
        self._outcomes.catch_up(self._start_timeout_s, now_us=self._clock())
        for action, entity in self._store.unfinished(self._executor):
            detail = "the executor ended before the action did"
            self._outcomes.wait(
                self._outcomes.write(self._own.outcome(action, entity, "unknown", detail=detail)), _WRITE_TIMEOUT_S
            )
        self._member = Member(
            self._connection,
            group=f"{self._audience.loop}.executor.{self._group}",
            topic=f"{self._audience.loop}.{Action.TOPIC}",
        )

    def poll(self, timeout_s: float = 1.0, *, names: Container[str] | None = None) -> Action | None:
        """Return the next action to do, or None when none came in time. Never while paused.

        With `names` only actions of these names are taken: the others are left to other groups, without a claim and
        without a refusal, which would end them for those. What nobody takes ends as unknown when the gate gives it up.
        """
        deadline = time.monotonic() + timeout_s
        while not self._stop.is_set():
            self._follow()
            left = deadline - time.monotonic()
            action = self._next(min(max(left, 0.0), 0.5), names)
            if action is not None or left <= 0:
                return action
        return None

    def rest(self, timeout_s: float) -> None:
        """Stay in the group for a while and take nothing, but follow what others claim; to be called again and again
        where `poll` is not.
        """
        self._follow()
        self._joined().rest(timeout_s)

    def __iter__(self) -> Iterator[Action]:
        while not self._stop.is_set():
            action = self.poll()
            if action is not None:
                yield action

    def why_not(self, action: Action) -> str | None:
        """Return why an action must not (any longer) have its effect, or None when it may."""
        if self._clock() > action.expires_us:
            return "expired"
        return self._authority.why_not(action, now_us=self._clock()) or self._watch.why_paused(action)

    def why_paused(self, action: Action) -> str | None:
        """Return what stands against touching the action's entity now, whether the action has expired or not."""
        return self._watch.why_paused(action)

    def may_act(self, action: Action) -> bool:
        """Whether the effect may happen now: ask right before it, and before each retry."""
        return self.why_not(action) is None

    def report(self, action: Action, state: End, detail: str = "") -> None:
        """Write the end of an action that was handed over, and wait until Kafka has it; raises `BrokerError`.

        Raises `ValueError` when the action was not handed over or has been reported already.
        """
        sent = self._send_end(action, state, detail)
        if sent is None:
            raise ValueError(f"expected an action in flight, got {action.id}: not handed over, or reported already")
        self._outcomes.wait(sent, _WRITE_TIMEOUT_S)

    def stop(self) -> None:
        """End the iteration soon; safe in a signal handler and from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Leave the group; what was handed over and never reported becomes `unknown`."""
        self._stop.set()
        with self._lock:
            left = [action for action, _ in self._in_flight.values()]
        sent = [self._send_end(action, "unknown", "the executor stopped before the action ended") for action in left]
        deadline = time.monotonic() + _WRITE_TIMEOUT_S
        for end in sent:
            if end is not None:  # else its own thread has reported it by now
                with contextlib.suppress(BrokerError):  # the next start under this name says it then
                    self._outcomes.wait(end, max(0.0, deadline - time.monotonic()))
        self._watch.stop()
        self._tell(stopping=True)
        self._producer.flush(_WRITE_TIMEOUT_S)
        self._watch.close()
        if self._member is not None:
            self._member.close()
        self._outcomes.close()
        self._store.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> None:
        """Learn of every claim and end that was fetched by now, so that nothing is claimed that is another one's."""
        while self._outcomes.follow(0):
            pass

    def _send_end(self, action: Action, state: End, detail: str) -> Sent | None:
        """Send the end of an action in flight; None when it is in flight no longer."""
        with self._lock:
            known = self._in_flight.get(action.id)
            if known is None:
                return None
            end = self._own.outcome(action.id, action.entity, state, detail=detail, started_us=known[1])
            sent = self._outcomes.write(end)
            del self._in_flight[action.id]
        self._authority.forget(action)
        return sent

    def _next(self, timeout_s: float, names: Container[str] | None) -> Action | None:
        if self._watch.failure is not None:
            raise self._watch.failure
        member = self._joined()
        if not self._watch.is_heard():
            member.rest(min(timeout_s, 0.1))
            return None
        record = member.poll(timeout_s)
        if record is None:
            self._partitions = member.partitions()
            return None
        action = self._consider(record, names)
        member.done(record)
        return action

    def _joined(self) -> Member:
        if self._member is None:
            raise ValueError("expected a started consumer: use it as a context manager, or call start()")
        return self._member

    def _consider(self, record: Any, names: Container[str] | None) -> Action | None:
        headers = kafka.headers_of(record)
        try:
            action = self._authority.read(record.key(), record.value(), headers, now_us=self._clock())
        except ContractError as error:
            self._write(self._own.dead_letter(record, error))
            return None
        if action is None or self._store.winner(action.id) is not None:
            return None
        if names is not None and action.action not in names:
            return None
        self._authority.follow(action, headers)
        refusal = self._refusal(action)
        if refusal is not None:
            self._refuse(action, refusal)
        elif self._claim(action, Cause(Action.TOPIC, record.partition(), record.offset())):
            return action
        self._authority.forget(action)
        return None

    def _refusal(self, action: Action) -> str | None:
        if action.expires_us < self._store.born_us:
            return "expired before this executor's memory began"
        if action.issued_us < self._store.born_us:
            return "issued before this executor's memory began"
        for count, interval_us in self._start_limits:
            if self._store.starts_since(self._steady.now_us() - interval_us) >= count:
                return f"this executor starts at most {count} actions per {interval_us / 1_000_000:g} s"
        return self.why_not(action)

    def _claim(self, action: Action, cause: Cause) -> bool:
        """Claim an action; return whether it may start."""
        claim = self._own.outcome(action.id, action.entity, "claimed", cause=cause)
        left_s = (action.expires_us - self._clock()) / 1_000_000
        if not self._outcomes.claim(claim, left_s):
            if self._store.winner(action.id) is None:
                self._refuse(action, "the claim did not come back before the action expired")
            return False
        self._store.start(self._steady.now_us())
        refusal = self.why_not(action)
        if refusal is not None:
            self._refuse(action, refusal)
            return False
        with self._lock:
            self._in_flight[action.id] = (action, self._clock())
        return True

    def _refuse(self, action: Action, why: str) -> None:
        """Tell why an action will not start, unless it is another one's."""
        self._outcomes.read_to_end(_WRITE_TIMEOUT_S)
        if self._store.owner(action.id) not in (None, self._executor):
            return
        sent = self._outcomes.write(self._own.outcome(action.id, action.entity, "refused", detail=why))
        self._outcomes.wait(sent, _WRITE_TIMEOUT_S)

    def _tell(self, *, stopping: bool = False) -> None:
        with self._lock:
            in_flight = sorted(self._in_flight)
        self._write(
            self._own.presence(
                self._watch.why_paused(),
                stopping=stopping,
                in_flight=in_flight,
                partitions=self._partitions,
                control_heard_us=self._watch.heard_us,
                control_offset=self._watch.offset,
            )
        )

    def _write(self, event: DeadLetter | Presence) -> None:
        kafka.produce(self._producer, wire.encode(event, loop=self._audience.loop), loop=self._audience.loop)
        self._producer.poll(0)
