"""The broker-free driver: every role as simulated instances over a memory log, against a world, under a fault plan.

Deterministic from its arguments: the same seed gives the same log, byte for byte.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from schemas import wire
from schemas.events import Control, Event, Telemetry
from schemas.ids import derive, seed_of
from schemas.raw import Message
from schemas.topics import ROLES, TOPICS
from streams.loop.role import Role
from streams.replay.clock import SimulatedClock
from streams.replay.executor import Executor, ExecutorGroup, Start
from streams.replay.faults import NO_FAULTS, FaultPlan, Kill
from streams.replay.log import MemoryLog
from streams.replay.worker import Point, Worker, WorkerPlace
from streams.worlds.world import World

RoleFactory = Callable[[str, int], Role]
"""(role, partition) to a role without state."""
_TELEMETRY = msgspec.json.Encoder()
_ROUNDS = 3
_BATCHES = (4, 1_000, 1_000)
"""Sizes at which the plan cuts batches."""
_ATTEMPTS = 50
_PATIENCE_US = 15_000_000
"""A kill whose point was not reached for so long strikes at the next point, whichever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSettings:
    """How a simulated run goes. `tick_us`: simulated time between turns; `drain_us`: time after the last telemetry;
    `give_up_us`: an action without an end for so long after its start becomes `unknown`.
    """

    loop: str
    seed: int = 0
    start_us: int = 1_700_000_000_000_000
    tick_us: int = 1_000_000
    drain_us: int = 60_000_000
    give_up_us: int = 40_000_000
    roles: tuple[str, ...] = ROLES[1:]
    """`ingest` among them sends all telemetry through `raw`."""
    partitions: int = 2
    executors: int = 2
    settings_hash: str = "simulated"
    steps_per_snapshot: int = 40
    fencing: bool = True
    filter_duplicates: bool = True
    """For the executors; the roles' own filter is the role factory's choice."""


@dataclass(slots=True)
class Tally:
    """What happened to instances in a run."""

    telemetry: int = 0
    kills: int = 0
    takeovers: int = 0
    fenced: int = 0
    clock_steps: int = 0
    duplicates: int = 0
    delays: int = 0


@dataclass(slots=True)
class _Zombie:
    life: Iterator[Point]
    wake_us: int


class Cell:
    """One partition of a role: its present instance, or the time of the next one, and the zombies of former ones."""

    def __init__(self, place: WorkerPlace) -> None:
        self.place = place
        self.worker: Worker | None = None
        self.life: Iterator[Point] | None = None
        self.start_us = 0
        self.generation = 0
        self.zombies: list[_Zombie] = []


class Driver:
    """Runs a loop in one process, without a broker. `run` may be called once."""

    def __init__(
        self, *, settings: DriverSettings, make_role: RoleFactory, world: World, plan: FaultPlan = NO_FAULTS
    ) -> None:
        self.settings = settings
        self.plan = plan
        self.world = world
        self.clock = SimulatedClock(start_us=settings.start_us)
        counts = {name: settings.partitions for name, topic in TOPICS.items() if topic.scales}
        self.log = MemoryLog(partitions=counts, fencing=settings.fencing)
        self.tally = Tally()
        self.cells = [Cell(place) for place in self._places(make_role)]
        self._draw = random.Random(seed_of(settings.loop, settings.seed, "driver"))  # noqa: S311  # reorders deliveries, no secret
        self._kills = list(plan.kills)
        self._steps = list(plan.clock_steps)
        self._executor_kills = list(plan.executor_kills)
        self._pauses = [
            (us, said) for pause in plan.pauses for us, said in zip(pause, ("paused", "running"), strict=True)
        ]
        self._group = ExecutorGroup(
            loop=settings.loop, name="simulated", log=self.log, world=world, publish=self.publish
        )
        self._executors: list[Executor | None] = [None] * settings.executors
        self._executor_starts_us = [0] * settings.executors
        self._executor_lives = 0

    @property
    def starts(self) -> list[Start]:
        """Every attempt that an executor began, in order."""
        return self._group.starts

    def run(self, *, telemetry_events: int) -> Tally:
        """Run until the world has emitted so many events, and on until what was begun has ended."""
        self._activate()
        while self.tally.telemetry < telemetry_events:
            self._tick(emit=True)
        end_us = self.clock.true_us + self.settings.drain_us
        while self.clock.true_us < end_us or self._is_busy():
            self._tick(emit=False)
        self._settle()
        return self.tally

    def publish(self, event: Event) -> None:
        """Write an event as someone without transactions does: once, or now and then twice."""
        self._append(wire.encode(event, loop=self.settings.loop))

    def order(self, kind: str, target: str, value: str) -> None:
        """Write a control record as a person does."""
        now_us = self.clock.true_us
        self.publish(
            Control(
                id=derive(self.settings.loop, kind, target, now_us, value),
                time_us=now_us,
                kind=kind,  # type: ignore[arg-type]  # msgspec checks it where it is read
                target=target,
                value=value,
                by="simulation",
            )
        )

    def _places(self, make_role: RoleFactory) -> Iterator[WorkerPlace]:
        for role in self.settings.roles:
            for partition in range(self.settings.partitions if role in ("ingest", "detect") else 1):
                yield WorkerPlace(
                    loop=self.settings.loop,
                    role=role,
                    partition=partition,
                    make_role=make_role,
                    settings_hash=self.settings.settings_hash,
                    steps_per_snapshot=self.settings.steps_per_snapshot,
                )

    def _activate(self) -> None:
        self.log.now_us = self.clock.true_us
        self.order("settings", "loop", self.settings.settings_hash)
        self.order("pause", "loop", "running")

    def _append(self, message: Message) -> None:
        self.log.append(message)
        if self.plan.duplicate and self._draw.random() < self.plan.duplicate:
            self.log.append(message)
            self.tally.duplicates += 1

    def _elapsed_us(self) -> int:
        return self.clock.true_us - self.settings.start_us

    def _tick(self, *, emit: bool) -> None:
        self.clock.advance_to(max(self.clock.true_us + self.settings.tick_us, self._quiet_until_us(emit=emit)))
        self.log.now_us = self.clock.true_us
        self._step_clock()
        while self._pauses and self._pauses[0][0] <= self._elapsed_us():
            self.order("pause", "loop", self._pauses.pop(0)[1])
        if emit:
            self._emit()
        for outcome in self.world.outcomes(self.clock.true_us):
            for executor in self._executors:
                if executor is not None:
                    executor.ended(outcome, self.clock.wall_us)
        for _ in range(_ROUNDS):
            for cell in self._draw.sample(self.cells, len(self.cells)):
                self._turn(cell)
            self._turn_executors()

    def _quiet_until_us(self, *, emit: bool) -> int:
        """Return the time before which nothing can happen: it lets sparse recordings run without empty turns."""
        if self.plan != NO_FAULTS or self._is_busy():
            return 0
        times = [self.world.next_time()] if emit else [self.clock.true_us + self.settings.drain_us]
        for cell in self.cells:
            if cell.worker is not None and cell.worker.is_behind():
                return 0
            due_us = None if cell.worker is None else cell.worker.role.next_time()
            times += [] if due_us is None else [due_us]
        return min(times)

    def _emit(self) -> None:
        topic = "raw" if "ingest" in self.settings.roles else Telemetry.TOPIC
        for sample in self.world.telemetry(self.clock.true_us):
            self._append(Message(topic=topic, key=sample.entity.encode(), value=_TELEMETRY.encode(sample)))
            self.tally.telemetry += 1

    def _step_clock(self) -> None:
        while self._steps and self._steps[0].after_us <= self._elapsed_us():
            self.clock.error_us = self._steps.pop(0).error_us
            self.tally.clock_steps += 1

    def _turn(self, cell: Cell) -> None:
        for zombie in [z for z in cell.zombies if z.wake_us <= self.clock.true_us]:
            self._wake(cell, zombie)
        if cell.life is None:
            if cell.start_us > self.clock.true_us:
                return
            self._start(cell)
        if cell.worker is not None and cell.life is not None:
            cell.worker.deaf = any(start <= self._elapsed_us() < stop for start, stop in self.plan.deaf)
            self._live(cell, cell.life)

    def _start(self, cell: Cell) -> None:
        cell.generation += 1
        self.tally.takeovers += cell.generation > 1
        place = cell.place
        cell.worker = Worker(
            place=place,
            log=self.log,
            clock=self.clock,
            instance=f"{place.role}-{place.partition}-{cell.generation}",
            delivery=self._deliver,
        )
        cell.life = cell.worker.life()

    def _live(self, cell: Cell, life: Iterator[Point]) -> None:
        """Let the present instance go on until it is idle, or the plan strikes it."""
        for point in life:
            if point == "idle":
                return
            if point in ("stopped", "fenced"):
                self.tally.fenced += point == "fenced"
                self._end(cell, down_us=self.settings.tick_us)
                return
            kill = self._due(cell.place, point)
            if kill is not None and self._strike(cell, life, kill):
                return

    def _due(self, place: WorkerPlace, point: Point) -> Kill | None:
        for kill in self._kills:
            if kill.after_us > self._elapsed_us():
                return None
            here = (kill.role, kill.partition) == (place.role, place.partition)
            if here and (kill.point == point or kill.after_us + _PATIENCE_US <= self._elapsed_us()):
                self._kills.remove(kill)
                self.tally.kills += 1
                return kill
        return None

    def _strike(self, cell: Cell, life: Iterator[Point], kill: Kill) -> bool:
        """Return whether the instance is gone at once."""
        if kill.signal == "SIGTERM" and cell.worker is not None:
            cell.worker.stopping = True
            return False
        if kill.signal == "SIGSTOP":
            cell.zombies.append(_Zombie(life, self.clock.true_us + kill.zombie_us))
        self._end(cell, down_us=kill.down_us)
        return True

    def _end(self, cell: Cell, *, down_us: int) -> None:
        cell.worker = cell.life = None
        cell.start_us = self.clock.true_us + down_us

    def _wake(self, cell: Cell, zombie: _Zombie) -> None:
        """Let a former instance go on where it froze; the fence must end it before it can write."""
        cell.zombies.remove(zombie)
        for point in zombie.life:
            if point in ("idle", "stopped", "fenced"):
                self.tally.fenced += point == "fenced"
                return

    def _deliver(self, sources: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
        """Reorder the sources, delay some of them, and cut batches short, as the plan says."""
        if not self.plan.delay:
            return [(topic, partition, 1_000) for topic, partition in sources]
        chosen: list[tuple[str, int, int]] = []
        for topic, partition in self._draw.sample(sources, len(sources)):
            if self._draw.random() < self.plan.delay:
                self.tally.delays += 1
            else:
                chosen.append((topic, partition, self._draw.choice(_BATCHES)))
        return chosen

    def _turn_executors(self) -> None:
        now_us, wall_us = self.clock.true_us, self.clock.wall_us
        for index, executor in enumerate(self._executors):
            if executor is None and self._executor_starts_us[index] <= now_us:
                self._executor_lives += 1
                started = Executor(
                    group=self._group,
                    name=f"executor-{index}",
                    life=self._executor_lives,
                    remember=self.settings.filter_duplicates,
                    give_up_us=self.settings.give_up_us,
                )
                started.start(wall_us)
                self._executors[index] = started
        living = [index for index, executor in enumerate(self._executors) if executor is not None]
        for place, index in enumerate(living):
            executor = self._executors[index]
            if executor is not None:
                owned = list(range(place, len(self._group.offsets), len(living)))
                for point in executor.turn(owned, wall_us):
                    if point != "idle" and self._kills_executor(index):
                        break

    def _kills_executor(self, index: int) -> bool:
        if not self._executor_kills or self._executor_kills[0] > self._elapsed_us():
            return False
        self._executor_kills.pop(0)
        self.tally.kills += 1
        self._executors[index] = None
        self._executor_starts_us[index] = self.clock.true_us + 3_000_000
        return True

    def _is_busy(self) -> bool:
        """Whether something still waits: an executor, a zombie, or an instance that is down."""
        return any(executor is None or not executor.is_idle() for executor in self._executors) or any(
            cell.life is None or cell.zombies for cell in self.cells
        )

    def _settle(self) -> None:
        """Without further faults, let every instance fold all that there is."""
        self.plan, self._kills = NO_FAULTS, []
        for _ in range(_ATTEMPTS):
            ends = self._ends()
            self._tick(emit=False)
            if ends == self._ends() and not self._is_busy():
                return

    def _ends(self) -> list[tuple[int, ...]]:
        return [
            tuple(self.log.end(topic, partition) for topic, partition in cell.place.sources()) for cell in self.cells
        ]
