"""Faust as consumer, group and rebalance layer: records travel in bulk, and positions come from the state."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from schemas.connection import KafkaConnection
from streams.runtime.assignor import CopartitionAssignor
from streams.runtime.bulk import take_fetched
from streams.runtime.inbox import Fetched
from streams.runtime.spec import WorkerSpec

FETCH_WAIT_MS = 250
_FULL_WAIT_S = 0.01


class Ownership(Protocol):
    """What the transport asks the worker."""

    async def take(self, partitions: set[int], generation: int) -> None:
        """Take over partitions; those held in this generation already are left alone."""
        ...

    async def release(self, partitions: set[int]) -> None:
        """End the running steps of partitions and give their producers up."""
        ...

    def position(self, topic: str, partition: int) -> int:
        """Return where to read a held partition on."""
        ...

    def hints(self) -> dict[tuple[str, int], int]:
        """Return the first offset not folded of every held source, for the group's offsets."""
        ...

    def full(self) -> set[int]:
        """Return the partitions whose inbox is full."""
        ...


@dataclass(slots=True, kw_only=True)
class BulkRecord:
    """What Faust carries instead of a record: all that one fetch brought for one partition."""

    topic: str
    partition: int
    offset: int
    value: Fetched
    timestamp: int | None = None
    timestamp_type: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    key: None = None
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0


class BulkThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the broker: hands a fetch over as columns.

    What a fetch costs does not depend on what it brought, so fetches are a little apart: in a trickle each brings
    several records, and one that comes alone waits for nothing.
    """

    _handed_over_s = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._partition_assignment_strategy = [CopartitionAssignor]
        _app(self).member = consumer
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,  # noqa: ARG002  # a fetch is never cut: its size is bounded in bytes
    ) -> dict[TP, list[BulkRecord]]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        until = time.monotonic() + (timeout or 0.0)
        await asyncio.sleep(self._handed_over_s + _app(self).spec.fetch_pace_s - time.monotonic())
        with fetcher._subscriptions.fetch_context():
            while True:
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                drained = self._drain(fetcher, active_partitions)
                left = until - time.monotonic()
                if drained or left <= 0 or fetcher._closed:
                    self._handed_over_s = time.monotonic() if drained else self._handed_over_s
                    return drained
                await _wait_for_fetch(fetcher, left)

    def _drain(self, fetcher: Any, active: set[TP]) -> dict[TP, list[BulkRecord]]:
        spec = _app(self).spec
        drained: dict[TP, list[BulkRecord]] = {}
        for place in list(fetcher._records):
            if place not in active:
                if not fetcher._subscriptions.is_assigned(place):
                    del fetcher._records[place]
                continue
            fetched = take_fetched(fetcher, place, spec.registry_name(place.topic))
            if fetched is not None:
                record = BulkRecord(topic=place.topic, partition=place.partition, offset=fetched.start, value=fetched)
                drained[place] = [record]
        return drained


async def _wait_for_fetch(fetcher: Any, timeout: float) -> None:  # noqa: ASYNC109  # aiokafka's own way of waiting
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout)
    if done:
        waiter.result()
    else:
        waiter.cancel()


class BulkConsumer(driver.Consumer):
    """Faust's consumer, asked for positions by nobody but the state."""

    def _new_consumer_thread(self) -> BulkThread:
        return BulkThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[BulkRecord]]:  # noqa: ASYNC109
        full = _app(self).ownership.full()
        if full:
            active_partitions = {place for place in active_partitions or () if place.partition not in full}
            timeout = _FULL_WAIT_S
            if not active_partitions:
                await asyncio.sleep(timeout)
                return {}
        found: Mapping[TP, list[BulkRecord]] = await super()._getmany(active_partitions, timeout)
        return found

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Take over what is assigned and go to where its state stands. Faust asks more than once per rebalance."""
        places = [
            place for place in self.assignment() if _app(self).spec.registry_name(place.topic) in _app(self).sources
        ]
        ownership = _app(self).ownership
        await ownership.take({place.partition for place in places}, self.app.consumer_generation_id)
        names = {place: _app(self).spec.registry_name(place.topic) for place in places}
        positions = {place: ownership.position(names[place], place.partition) for place in places}
        if positions:
            await self.seek_wait(positions)
        return positions

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go before the rebalance goes on: the next owner must not meet an open transaction."""
        await _app(self).ownership.release({place.partition for place in revoked})
        await super().on_partitions_revoked(revoked)

    async def force_commit(self, *_: object, **__: object) -> bool:
        """Write the group's offsets: a hint for lag tools; nothing of ours reads it."""
        spec = _app(self).spec
        hints = {TP(spec.full_name(t), p): offset for (t, p), offset in _app(self).ownership.hints().items()}
        assigned = self.assignment()
        hints = {place: offset for place, offset in hints.items() if place in assigned and offset}
        return bool(hints) and await self._commit(hints)


class NoTables(TableManager):
    """Faust sleeps for a second at every start, in case tables are yet to be declared; here there are none."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class BulkApp(faust.App):
    """A Faust app without tables, web server, leader, or work per event."""

    def __init__(self, spec: WorkerSpec, *, ownership: Ownership, loop: asyncio.AbstractEventLoop) -> None:
        self.spec = spec
        self.sources = frozenset(spec.group_sources())
        self.ownership = ownership
        self.member: Any = None
        """aiokafka's consumer, once there is one."""
        super().__init__(
            spec.group(),
            broker=[f"kafka://{address.strip()}" for address in spec.connection.bootstrap.split(",")],
            broker_credentials=credentials(spec.connection),
            loop=loop,
            store="memory://",
            datadir=str(spec.data / "faust" / spec.instance),
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=spec.partitions,
            broker_session_timeout=spec.session_timeout_s,
            broker_rebalance_timeout=max(30.0, spec.session_timeout_s),
            broker_heartbeat_interval=spec.heartbeat_s,
            broker_commit_interval=spec.hint_commit_s,
            broker_max_poll_interval=300.0,
            broker_client_id=f"{spec.group()}-{spec.instance}",
            consumer_group_instance_id=spec.instance,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            web_enabled=False,
            TableManager=NoTables,
            autodiscover=False,
        )

    def left_group(self) -> BaseException | None:
        """Return what ended this worker's part in its group for good, or None.

        On what aiokafka does not expect it ends its coordination; on a refusal it waits until somebody takes note, as
        Faust never does. Either it tells nobody but the log: the worker would hold nothing and wait for ever.
        """
        coordinator = None if self.member is None else self.member._coordinator
        if coordinator is None:
            return None
        task = coordinator._coordination_task
        ended = task.done() and not task.cancelled()
        error: BaseException | None = task.exception() if ended else coordinator._pending_exception
        return error

    def _new_transport(self) -> Any:
        transport = super()._new_transport()
        transport.Consumer = BulkConsumer  # type: ignore[misc]  # where Faust asks which class to use
        return transport


def _app(service: driver.Consumer | driver.AIOKafkaConsumerThread) -> BulkApp:
    """Return the app that a service of Faust belongs to."""
    app: BulkApp = service.app  # type: ignore[assignment]  # Faust's interface type; only a `BulkApp` makes these
    return app


def credentials(connection: KafkaConnection) -> Any:
    """Return the security settings as Faust spells them; None for a plain connection."""
    context = connection.ssl_context()
    if connection.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection.sasl_username,
            password=connection.sasl_password,
            mechanism=connection.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def subscribe(app: BulkApp, topics: Sequence[str]) -> Any:
    """Return the channel over Kafka topics; nothing is acknowledged through Faust."""
    return app.topic(
        *topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
    )
