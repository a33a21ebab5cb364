"""Which partitions this worker holds, and how they come and go with the group's generations."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from schemas.clock import LoopClock
from schemas.errors import BrokerError
from streams.runtime.control import ControlFeed
from streams.runtime.held import Held
from streams.runtime.inbox import Fetched
from streams.runtime.metrics import Metrics
from streams.runtime.partition import PartitionOwner
from streams.runtime.spec import WorkerSpec
from streams.runtime.takeover import Takeover, take_over

_LOG = logging.getLogger("flyball.worker")
_PARALLEL = 8
_ATTEMPTS = 5
_BACKOFF_S = 0.5


class Owners:
    """Takes partitions over, in parallel and once per generation, and releases them."""

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        clock: LoopClock,
        control: ControlFeed,
        metrics: Metrics,
        failed: Callable[[int, BaseException], None],
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._control = control
        self._metrics = metrics
        self._failed = failed
        self._held: dict[int, PartitionOwner] = {}
        self._kept: dict[int, Held] = {}
        self._taking: dict[int, asyncio.Task[None]] = {}
        self._generation = -1
        self._closed = False
        self._threads = ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="takeover")

    def all(self) -> list[PartitionOwner]:
        """Return the owners of the partitions held now."""
        return list(self._held.values())

    def deliver(self, fetched: Fetched) -> None:
        """Hand fetched records to their partition; those of a partition not held are dropped, not lost."""
        owner = self._held.get(fetched.batch.partition)
        if owner is not None:
            owner.inbox.put(fetched)

    async def take(self, partitions: set[int], generation: int) -> None:
        """Hold these partitions: take over what is not held yet in this generation of the group."""
        if self._closed:
            return
        if generation != self._generation:
            await self.release(set(self._held) - partitions)
            self._generation = generation
        for partition in partitions - set(self._held) - set(self._taking):
            self._taking[partition] = asyncio.create_task(self._take(partition))
        waiting = [self._taking[partition] for partition in partitions if partition in self._taking]
        if waiting:
            await asyncio.gather(*waiting)

    async def release(self, partitions: Iterable[int], *, snapshot: bool = False) -> None:
        """Let partitions go; their steps end first, and a takeover under way is waited for."""
        wanted = set(partitions)
        under_way = [task for partition, task in self._taking.items() if partition in wanted]
        if under_way:
            await asyncio.gather(*under_way, return_exceptions=True)
        owners = [self._held.pop(partition) for partition in wanted & set(self._held)]
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, self._let_go, owner, snapshot) for owner in owners))

    async def close(self) -> None:
        """Release everything, each with a snapshot, and take nothing any more."""
        self._closed = True
        await self.release(set(self._held) | set(self._taking), snapshot=True)
        self._kept.clear()

    def position(self, topic: str, partition: int) -> int:
        """Return where to read a held partition on."""
        return self._held[partition].inbox.position(topic)

    def hints(self) -> dict[tuple[str, int], int]:
        """Return the first offset not folded of every source held."""
        return {
            (topic, owner.partition): owner.position(topic)
            for owner in self.all()
            for topic in self._spec.group_sources()
        }

    def full(self) -> set[int]:
        """Return the partitions whose inbox is full."""
        return {owner.partition for owner in self.all() if owner.inbox.full()}

    async def _take(self, partition: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            takeover = await loop.run_in_executor(self._threads, self._take_over, partition)
        except Exception as error:  # the worker decides what follows, and it is never to go on
            self._failed(partition, error)
            return
        finally:
            self._taking.pop(partition, None)
        held = takeover.held
        self._metrics.takeover(partition, step=held.step, replayed=takeover.replayed, seconds=takeover.seconds)
        owner = PartitionOwner(
            self._spec,
            partition=partition,
            takeover=takeover,
            clock=self._clock,
            heard_us=self._control.told_us,
            metrics=self._metrics,
            failed=self._failed,
        )
        self._held[partition] = owner
        self._control.subscribe(partition, owner.inbox)
        owner.start()

    def _take_over(self, partition: int) -> Takeover:
        """Take over; a broker that fails in between is asked again, from the snapshot."""
        kept = self._kept.pop(partition, None)
        for attempt in range(_ATTEMPTS):
            try:
                return take_over(self._spec, partition=partition, clock=self._clock, kept=kept)
            except BrokerError as error:
                kept = None
                if attempt == _ATTEMPTS - 1:
                    raise
                _LOG.warning("takeover waits: %s", error, extra={"partition": partition})
                time.sleep(_BACKOFF_S * 2**attempt)
        raise BrokerError("expected at least one attempt")

    def _let_go(self, owner: PartitionOwner, snapshot: bool) -> None:
        self._control.unsubscribe(owner.partition)
        held = owner.release(snapshot=snapshot)
        if held is not None and not snapshot:
            self._kept[owner.partition] = held
