"""One seed, run and judged: the whole loop against a fleet, under faults drawn from the seed."""

import gc
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas.events import Verdict
from schemas.ids import seed_of
from schemas.topics import ROLES
from streams.replay import Driver, DriverSettings
from streams.worlds.fleet import FleetWorld
from tests.promises.chaos import chaos_plan
from tests.promises.checker import Violation, check_promises
from tests.promises.evidence import Evidence, LimitRule, memory_reader
from tests.simulation.loop import (
    ACTION_LIMIT,
    FLEET,
    GATE,
    LOOP,
    PARTITIONS,
    SETTINGS_HASH,
    role_factory,
)

TELEMETRY_EVENTS = 2_000
LEAST_CRASHES = 5
LEAST_ACTIONS = 20
DURATION_US = TELEMETRY_EVENTS // FLEET.entities * FLEET.period_us
LIMITS = (
    LimitRule(name="action", limits=ACTION_LIMIT, scope=lambda verdict: verdict.proposal.action),
    LimitRule(name="pattern", limits=GATE.pattern_limit, scope=lambda verdict: verdict.proposal.pattern),
    LimitRule(name="entity", limits=GATE.entity_attempts, scope=lambda verdict: verdict.proposal.entity),
    LimitRule(name="loop", limits=GATE.loop_limit, scope=lambda verdict: verdict.settings_hash),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One seed's run: what was broken (nothing), and how much happened."""

    seed: int
    violations: tuple[Violation, ...]
    actions: int
    crashes: int
    fenced: int
    duplicates: int
    steps: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        return not self.violations

    def __str__(self) -> str:
        if self.ok:
            return f"seed {self.seed}: every promise held"
        told = "; ".join(str(violation) for violation in self.violations[:5])
        return f"seed {self.seed}: {told}\n  again: python -m tests.simulation.run --seed {self.seed}"


def driver_of(seed: int, *, fencing: bool = True, filter_duplicates: bool = True) -> Driver:
    """Return the driver of a seed, ready to run. Every fourth seed sends its telemetry through `raw`."""
    roles = ROLES if seed % 4 == 0 else ROLES[1:]
    settings = DriverSettings(
        loop=LOOP,
        seed=seed,
        roles=roles,
        partitions=PARTITIONS,
        settings_hash=SETTINGS_HASH,
        fencing=fencing,
        filter_duplicates=filter_duplicates,
    )
    return Driver(
        settings=settings,
        make_role=role_factory(seed=seed, filter_duplicates=filter_duplicates),
        world=FleetWorld(FLEET, seed=seed_of("fleet", seed) % (1 << 32), start_us=settings.start_us),
        plan=chaos_plan(seed, roles=roles, partitions=PARTITIONS, duration_us=DURATION_US),
    )


def evidence_of(driver: Driver, seed: int, *, filter_duplicates: bool = True) -> Evidence:
    """Return what a finished run is judged by."""
    return Evidence(
        loop=LOOP,
        roles=driver.settings.roles,
        read=memory_reader(driver.log),
        make_role=role_factory(seed=seed, filter_duplicates=filter_duplicates),
        starts=driver.starts,
        states={
            (cell.place.role, cell.place.partition): cell.worker.role.snapshot()
            for cell in driver.cells
            if cell.worker is not None
        },
        limits=LIMITS,
        foreign=frozenset() if "ingest" in driver.settings.roles else frozenset({"telemetry"}),
    )


@contextmanager
def _without_collection() -> Iterator[None]:
    """Collect garbage once, behind the block: what lives throughout a run need not be looked through again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(0)


@_without_collection()
def judge(seed: int, *, fencing: bool = True, filter_duplicates: bool = True) -> Judged:
    """Run one seed and check every promise, and that enough happened for that to mean something."""
    began = time.perf_counter()
    driver = driver_of(seed, fencing=fencing, filter_duplicates=filter_duplicates)
    actions = steps = 0
    try:
        driver.run(telemetry_events=TELEMETRY_EVENTS)
        evidence = evidence_of(driver, seed, filter_duplicates=filter_duplicates)
        violations = check_promises(evidence)
        actions = sum(verdict.action is not None for verdict in evidence.events(Verdict))
        steps = sum(len(entries) for entries in evidence.journals().values())
    except Exception as error:  # a seed that breaks the program is a finding like any other
        where = traceback.extract_tb(error.__traceback__)[-1]
        violations = [Violation("crash", f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")]
    else:
        if actions < LEAST_ACTIONS:
            violations.append(Violation("activity", f"expected {LEAST_ACTIONS} allowed actions, got {actions}"))
        if driver.tally.kills < LEAST_CRASHES:
            violations.append(Violation("activity", f"expected {LEAST_CRASHES} crashes, got {driver.tally.kills}"))
    return Judged(
        seed=seed,
        violations=tuple(violations),
        actions=actions,
        crashes=driver.tally.kills,
        fenced=driver.tally.fenced,
        duplicates=driver.tally.duplicates,
        steps=steps,
        seconds=time.perf_counter() - began,
    )


__all__ = ["Judged", "driver_of", "evidence_of", "judge"]
