"""Every kind of fault, on real processes: what it does to the metrics, and which action ends it.

One world, one service per kind, all failing at once; the tests read what was measured in each phase.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from statistics import mean

import msgspec
import pytest

from connectors.lab.faults import KINDS
from connectors.lab.record import read_log
from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld
from schemas.events import Telemetry
from tests.patience import PATIENCE_S

KIND_NAMES = tuple(KINDS)
SAMPLES = 3
FAULT_US = 600_000_000
"""Longer than all waits together: what ends by itself is not cured."""
WRONG = {
    "memory_leak": "recycle_cache",
    "hang": "reopen",
    "crash": "end_task",
    "poisoned_cache": "reopen",
    "descriptor_leak": "recycle_cache",
    "slow_disk": "restart",
    "runaway_task": "restart",
    "overload": "restart",
}
SYMPTOMS = [
    # kind, metric, least, most
    ("memory_leak", "memory_mb", 30.0, 60.0),
    ("memory_leak", "task_count", 1.0, 1.0),
    ("hang", "latency_ms", 350.0, 600.0),
    ("hang", "throughput", 0.0, 0.0),
    ("hang", "memory_mb", 10.0, 25.0),
    ("crash", "task_count", 0.0, 0.0),
    ("crash", "memory_mb", 0.0, 0.0),
    ("crash", "error_rate", 1.0, 1.0),
    ("poisoned_cache", "error_rate", 0.9, 1.0),
    ("poisoned_cache", "open_files", 8.0, 20.0),
    ("poisoned_cache", "throughput", 6.0, 14.0),
    ("descriptor_leak", "open_files", 60.0, 96.0),
    ("slow_disk", "disk_ms", 50.0, 200.0),
    ("slow_disk", "error_rate", 0.0, 0.0),
    ("runaway_task", "cpu_percent", 5.0, 25.0),
    ("runaway_task", "task_count", 2.0, 2.0),
    ("overload", "throughput", 25.0, 90.0),
    ("overload", "queue", 3.0, 40.0),
]

Values = dict[str, float]


class Lab:
    """A world with one service per kind of fault, and what was measured of each lately."""

    def __init__(self, settings: LabSettings) -> None:
        self.log = Path(settings.folder) / "faults.jsonl"
        self.world = LabWorld(settings, self._receive, self.log)
        self.entity = dict(zip(KIND_NAMES, settings.entities(), strict=False))
        self._recent: dict[str, list[Values]] = {entity: [] for entity in settings.entities()}

    def values(self, kind: str) -> Values:
        """Return the mean of the last samples of the service with this kind of fault."""
        last = self._recent[self.entity[kind]][-SAMPLES:]
        names = {name for values in last for name in values}
        return {name: mean(values[name] for values in last if name in values) for name in names}

    async def watch(self, holds: Callable[[str, Values], bool]) -> dict[str, Values]:
        """Return, per kind, the first values that fit (of samples yet to come), or the last ones after `PATIENCE_S`."""
        for samples in self._recent.values():
            samples.clear()
        found: dict[str, Values] = {}
        until_s = time.monotonic() + PATIENCE_S
        while len(found) < len(self.entity) and time.monotonic() < until_s:
            await asyncio.sleep(0.1)
            for kind, entity in self.entity.items():
                if kind not in found and len(self._recent[entity]) >= SAMPLES and holds(kind, self.values(kind)):
                    found[kind] = self.values(kind)
        return {kind: found.get(kind) or self.values(kind) for kind in self.entity}

    async def act(self, actions: dict[str, str]) -> dict[str, tuple[bool, str]]:
        """Do an action to each service."""
        ends = await asyncio.gather(*(self.world.act(actions[kind], entity) for kind, entity in self.entity.items()))
        return dict(zip(self.entity, ends, strict=True))

    def _receive(self, samples: list[Telemetry]) -> None:
        for sample in samples:
            self._recent[sample.entity].append(sample.values)


@contextlib.asynccontextmanager
async def running(folder: Path, **settings: int) -> AsyncIterator[Lab]:
    quiet = {"folder": str(folder), "most_faults_at_once": 0, "sample_us": 250_000}
    lab = Lab(msgspec.convert({**quiet, **settings}, LabSettings))
    run = asyncio.create_task(lab.world.run())
    await lab.world.wait_ready()
    yield lab
    lab.world.stop()
    await run


def is_normal(_: str, values: Values) -> bool:
    return (
        values.get("availability", 0.0) > 0.9
        and values["task_count"] == 1
        and values["memory_mb"] < 25
        and values["open_files"] < 25
        and values["cpu_percent"] < 8
        and 5 < values["throughput"] < 15
        and values["disk_ms"] < 25
    )


def is_ill(kind: str, values: Values) -> bool:
    return all(least <= values.get(metric, -1.0) <= most for name, metric, least, most in SYMPTOMS if name == kind)


class Course:
    """What was measured in each phase of one run: normal, faulty, after a wrong action, after the best one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        asyncio.run(self._run())

    async def _run(self) -> None:
        services = len(KIND_NAMES)
        async with running(
            self.folder, services=services, boot_us=100_000, cold_boot_us=300_000, fault_us=FAULT_US
        ) as lab:
            self.normal = await lab.watch(is_normal)
            for kind, entity in lab.entity.items():
                lab.world.fail(entity, kind=kind)
            self.faulty = await lab.watch(is_ill)
            await lab.act(WRONG)
            await asyncio.sleep(1.0)
            self.still_faulty = {kind: lab.values(kind) for kind in lab.entity}
            self.results = await lab.act({name: kind.best for name, kind in KINDS.items()})
            self.repaired = await lab.watch(is_normal)
            self.log = lab.log


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_service_is_normal_before_its_fault(course: Course, kind: str) -> None:
    assert is_normal(kind, course.normal[kind]), course.normal[kind]


@pytest.mark.parametrize(("kind", "metric", "least", "most"), SYMPTOMS)
def test_each_kind_has_its_own_symptoms(course: Course, kind: str, metric: str, least: float, most: float) -> None:
    assert least <= course.faulty[kind][metric] <= most, course.faulty[kind]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_no_fault_looks_like_another(course: Course, kind: str) -> None:
    assert [other for other in KIND_NAMES if is_ill(other, course.faulty[kind])] == [kind]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_wrong_action_does_not_end_the_fault(course: Course, kind: str) -> None:
    assert not is_normal(kind, course.still_faulty[kind]), course.still_faulty[kind]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_best_action_works_and_the_service_is_normal_again(course: Course, kind: str) -> None:
    worked, detail = course.results[kind]
    assert worked, detail
    assert is_normal(kind, course.repaired[kind]), course.repaired[kind]


def test_the_log_names_every_fault_and_the_action_that_ended_it(course: Course) -> None:
    records = read_log(course.log)
    assert [record.kind for record in records] == list(KIND_NAMES)
    assert {record.kind: record.ended_by for record in records} == {name: kind.best for name, kind in KINDS.items()}
    for record in records:
        assert record.end_us is not None
        assert record.start_us < record.end_us < record.start_us + FAULT_US


def test_a_log_cut_off_in_the_middle_of_a_line_can_be_read(course: Course, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(course.log.read_bytes()[:-10])
    assert [record.end_us is None for record in read_log(cut)].count(True) == 1


def test_every_fault_ends_by_itself_when_nobody_acts(tmp_path: Path) -> None:
    async def leave_alone() -> dict[str, Values]:
        async with running(tmp_path, services=len(KIND_NAMES), fault_us=1_000_000) as lab:
            for kind, entity in lab.entity.items():
                lab.world.fail(entity, kind=kind)
            await asyncio.sleep(1.2)
            return await lab.watch(is_normal)

    healed = asyncio.run(leave_alone())
    assert {kind: values for kind, values in healed.items() if not is_normal(kind, values)} == {}
    assert [record.ended_by for record in read_log(tmp_path / "faults.jsonl")] == ["itself"] * len(KIND_NAMES)


def test_a_restart_cures_some_faults_too_but_takes_longer(tmp_path: Path) -> None:
    kinds = ("poisoned_cache", "descriptor_leak")

    async def restart_all() -> list[float]:
        async with running(tmp_path, services=3, boot_us=0, cold_boot_us=1_000_000) as lab:
            entities = ("service-01", "service-02", "service-03")
            for entity, kind in zip(entities, kinds, strict=False):
                lab.world.fail(entity, kind=kind)
            return await asyncio.gather(*(restart(lab, entity) for entity in entities))

    async def restart(lab: Lab, entity: str) -> float:
        begun_s = time.monotonic()
        await lab.world.act("restart", entity)
        return time.monotonic() - begun_s

    *cold_s, warm_s = asyncio.run(restart_all())
    assert min(cold_s) >= 1.0
    assert min(cold_s) > warm_s
    assert [(record.kind, record.ended_by) for record in read_log(tmp_path / "faults.jsonl")] == [
        (kind, "restart") for kind in kinds
    ]


def test_a_rush_that_was_turned_away_does_not_come_back_when_shedding_ends(tmp_path: Path) -> None:
    async def shed() -> Values:
        async with running(tmp_path, services=1, shed_us=300_000) as lab:
            lab.world.fail("service-01", kind="overload")
            await asyncio.sleep(0.5)
            await lab.world.act("shed_load", "service-01")
            await asyncio.sleep(2.0)
            return lab.values(KIND_NAMES[0])

    assert asyncio.run(shed())["throughput"] < 15
    assert [record.ended_by for record in read_log(tmp_path / "faults.jsonl")] == ["shed_load"]


def test_an_unknown_kind_of_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"must be some of memory_leak.*got flood"):
        msgspec.convert({"kinds": ["flood"]}, LabSettings)
