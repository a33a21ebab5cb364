"""The worker: one process of one role. Faust brings records, partitions fold and commit them, this ends it all well."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import Any, NoReturn

from confluent_kafka import KafkaException

from schemas.clock import LoopClock
from schemas.errors import BrokerError, FencedError, RecoveryError
from schemas.kafka import make_admin
from streams.runtime import exits, logs
from streams.runtime.control import ControlFeed
from streams.runtime.ends import SourceEnds
from streams.runtime.health import HealthServer
from streams.runtime.heap import trim_heap, tune_heap
from streams.runtime.inbox import GapError
from streams.runtime.metrics import Metrics
from streams.runtime.owners import Owners
from streams.runtime.presence import PresenceWriter, presence_of
from streams.runtime.spec import WorkerSpec
from streams.runtime.transport import BulkApp, subscribe
from streams.runtime.watchdog import Watchdog

_LOG = logging.getLogger("flyball.worker")
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0
_RELEASE_S, _FAUST_STOP_S = 7.0, 1.5
_TRIM_S = 30.0
"""Memory that a burst left behind is given back after so long at most."""


def run_worker(spec: WorkerSpec) -> int:
    """Run a worker until it is told to stop (SIGTERM or SIGINT) or must end; returns the exit code (`exits`).

    A fenced, refused or hung worker does not return: the process ends at once, so that nothing more is written.
    """
    tune_heap()
    logs.set_up(role=spec.role, instance=spec.instance)
    _LOG.info("starting", extra={"loop": spec.loop, "code": spec.code})
    (spec.data / "faust" / spec.instance).mkdir(parents=True, exist_ok=True)
    stopped = _Stop()
    if not _wait_for_broker(spec, stopped):
        return exits.CLEAN
    return asyncio.run(_Worker(spec, stopped).run())


class _Stop:
    """Whether a signal asked for the end; usable before there is an event loop."""

    def __init__(self) -> None:
        self.asked = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.event: asyncio.Event | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True
        if self.loop is not None and self.event is not None:
            self.loop.call_soon_threadsafe(self.event.set)


def _wait_for_broker(spec: WorkerSpec, stop: _Stop) -> bool:
    """Wait until the broker answers and the role's topics are there; False when a stop was asked for first."""
    wait_s = _FIRST_WAIT_S
    while not stop.asked:
        problem = _missing(spec)
        if problem is None:
            return True
        _LOG.warning("%s; trying again in %.1f s", problem, wait_s)
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not stop.asked:
            time.sleep(0.1)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    return False


def _missing(spec: WorkerSpec) -> str | None:
    try:
        known = make_admin(spec.connection).list_topics(timeout=5).topics
    except KafkaException:
        return f"no answer from Kafka at {spec.connection.bootstrap}"
    wanted = {*spec.group_sources(), "control", f"journal-{spec.role}", f"state-{spec.role}"}
    missing = sorted(topic for topic in wanted if spec.full_name(topic) not in known)
    return f"topics {missing} of loop {spec.loop} do not exist (`flyball topics apply`)" if missing else None


class _Worker:
    def __init__(self, spec: WorkerSpec, stop: _Stop) -> None:
        self._spec = spec
        self._stop = stop
        self._clock = LoopClock()
        self._metrics = Metrics(loop=spec.loop, role=spec.role)
        self._broker_answers = True
        self._stopping = False
        self._control = ControlFeed(
            spec, clock=self._clock, heard=self._note_broker, failed=self._control_failed, stop_file=spec.stop_file
        )
        self._owners = Owners(
            spec, clock=self._clock, control=self._control, metrics=self._metrics, failed=self._failed
        )
        self._watchdog = Watchdog(limit_s=spec.watchdog_s, behind=self._behind)
        self._ends = SourceEnds(spec)
        self._presence = PresenceWriter(spec)
        self._health: HealthServer | None = None
        self._app: BulkApp | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        self._asked = self._stop.event = asyncio.Event()
        self._stop.loop = loop
        if self._stop.asked:
            return exits.CLEAN
        self._app = app = self._new_app(loop)
        self._control.start()
        self._start_health()
        watch = asyncio.create_task(self._watch())
        watch.add_done_callback(self._watch_ended)
        await app.start()
        _LOG.info("started")
        await self._until_the_end(app)
        watch.cancel()
        return await self._end(app)

    def _new_app(self, loop: asyncio.AbstractEventLoop) -> BulkApp:
        app = BulkApp(self._spec, ownership=self._owners, loop=loop)
        sources = subscribe(app, [self._spec.full_name(topic) for topic in self._spec.group_sources()])

        @app.agent(sources, name=self._spec.role)
        async def deliver(stream: Any) -> None:
            async for event in stream.noack().events():
                try:
                    self._owners.deliver(event.value)
                except GapError as gap:
                    self._failed(event.message.partition, gap)

        return app

    async def _until_the_end(self, app: BulkApp) -> None:
        asked = asyncio.create_task(self._asked.wait())
        ended = asyncio.create_task(app.wait_until_stopped())
        await asyncio.wait([asked, ended], return_when=asyncio.FIRST_COMPLETED)
        if not self._stop.asked:
            self._leave(exits.CRASHED, f"Faust ended by itself: {app.crash_reason!r}")
        ended.cancel()

    async def _end(self, app: BulkApp) -> int:
        """Finish steps, leave a snapshot each, then stop Faust, which may take no longer than it should."""
        self._stopping = True
        self._tell()
        try:
            await asyncio.wait_for(self._owners.close(), _RELEASE_S)
        except TimeoutError:
            self._leave(exits.CRASHED, "stopped without a last snapshot")
        self._control.stop()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(app.stop(), _FAUST_STOP_S)
        self._presence.close()
        if self._health is not None:
            self._health.stop()
        self._leave(exits.CLEAN, "stopped")

    def _start_health(self) -> None:
        if self._spec.health_port is not None:
            self._health = HealthServer(
                port=self._spec.health_port, metrics=self._metrics, healthy=self._not_healthy, ready=self._not_ready
            )
            self._health.start()

    def _not_healthy(self) -> str | None:
        """Say what has died or hangs; the watchdog's own end of the process comes a little later."""
        if self._stopping:
            return None
        owners = self._owners.all()
        dead = [f"partition {owner.partition}: its thread has died" for owner in owners if not owner.lives()]
        if not self._control.lives():
            dead.append("the thread that reads control has died")
        if dead or not self._broker_answers:
            return next(iter(dead), None)
        return self._watchdog.slow(owners)

    def _not_ready(self) -> str | None:
        if not self._broker_answers:
            return "the broker does not answer"
        return self._why_paused()

    def _why_paused(self) -> str | None:
        """Return why steps are not taken, or none of them lets anything through."""
        held = next((owner.paused for owner in self._owners.all() if owner.paused is not None), None)
        return held or self._control.why_stopped()

    async def _watch(self) -> None:
        """Tell others every few seconds that this worker lives, see that it does, and give memory back."""
        trimmed_s = time.monotonic()
        while True:
            await asyncio.to_thread(self._ends.ask, [owner.partition for owner in self._owners.all()])
            self._tell()
            stuck = self._watchdog.stuck(self._owners.all()) if self._broker_answers else None
            if stuck is not None:
                self._leave(exits.HUNG, stuck)
            left = self._app.left_group() if self._app is not None else None
            if left is not None:
                self._leave(exits.CRASHED, f"the group's coordination ended: {left}")
            if time.monotonic() >= trimmed_s + _TRIM_S:
                await asyncio.to_thread(trim_heap)
                trimmed_s = time.monotonic()
            await asyncio.sleep(self._spec.presence_s)

    def _watch_ended(self, watch: "asyncio.Task[None]") -> None:
        """End the process: unwatched, a worker that hangs would stay."""
        if not watch.cancelled():
            _LOG.critical("the watchdog ended", exc_info=watch.exception())
            self._leave(exits.CRASHED, f"watchdog: {watch.exception()!r}")

    def _tell(self) -> None:
        owners = self._owners.all()
        lag = sum(owner.inbox.records() + self._behind(owner.partition) for owner in owners)
        self._metrics.lag(lag)
        why = None if self._stopping else self._why_paused()
        self._presence.write(
            presence_of(
                self._spec,
                now_us=self._clock.now_us(),
                state="stopping" if self._stopping else "running" if why is None else "paused",
                heard_us=self._control.heard_us(),
                control_offset=min((owner.control_offset for owner in owners), default=0),
                held={owner.partition: owner.step for owner in owners},
                lag=lag,
                why=why or "",
            )
        )

    def _behind(self, partition: int) -> int:
        """Return how many records of a partition's sources lie behind what was fetched, as far as is known."""
        return sum(
            max(0, self._ends.end(topic, partition) - self._owners.position(topic, partition))
            for topic in self._spec.group_sources()
        )

    def _note_broker(self, answers: bool) -> None:
        if answers != self._broker_answers:
            self._broker_answers = answers
            if answers:
                _LOG.info("Kafka at %s answers again", self._spec.connection.bootstrap)
            else:
                _LOG.warning("no answer from Kafka at %s; trying again", self._spec.connection.bootstrap)

    def _failed(self, partition: int, error: BaseException) -> None:
        """End the process: what was not committed did not happen, and whoever comes next takes over."""
        where = f"partition {partition}: {error}"
        if isinstance(error, FencedError):
            self._leave(exits.FENCED, where)
        if isinstance(error, RecoveryError):
            self._leave(exits.RECOVERY_REFUSED, where)
        if isinstance(error, (BrokerError, GapError)):
            self._leave(exits.CRASHED, where)
        _LOG.critical("a bug ends this worker", exc_info=error, extra={"partition": partition})
        self._leave(exits.CRASHED, where)

    def _control_failed(self, error: BaseException) -> None:
        """End the process: without orders the gate would deny for ever."""
        _LOG.critical("the thread that reads control ended", exc_info=error)
        self._leave(exits.CRASHED, f"control: {error}")

    def _leave(self, code: int, reason: str) -> NoReturn:
        level = logging.INFO if code == exits.CLEAN else logging.ERROR
        _LOG.log(level, reason, extra={"exit": code})
        logging.shutdown()
        os._exit(code)
