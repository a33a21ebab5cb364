"""Every kind of fault, on real processes: what it does to the metrics, and which action ends it.

One world, one service per kind, all failing at once; the tests read what was measured in each phase.
"""

import asyncio
from pathlib import Path
from statistics import mean

import msgspec
import pytest

from connectors.lab.faults import KINDS
from connectors.lab.record import read_log
from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld
from schemas.events import Telemetry

KIND_NAMES = tuple(KINDS)
SAMPLES = 3
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
    ("runaway_task", "cpu_percent", 8.0, 25.0),
    ("runaway_task", "task_count", 2.0, 2.0),
    ("overload", "throughput", 25.0, 90.0),
    ("overload", "queue", 3.0, 40.0),
]

Phase = dict[str, dict[str, float]]


class Course:
    """Metrics per kind, averaged over the end of each phase."""

    def __init__(self, folder: Path) -> None:
        self.settings = LabSettings(
            folder=str(folder),
            services=len(KIND_NAMES),
            most_faults_at_once=0,
            sample_us=250_000,
            boot_us=100_000,
            cold_boot_us=600_000,
        )
        self.log = folder / "faults.jsonl"
        self.phases: dict[str, Phase] = {}
        self.results: dict[str, dict[str, tuple[bool, str]]] = {}
        self._entity = dict(zip(KIND_NAMES, self.settings.entities(), strict=True))
        self._recent: dict[str, list[dict[str, float]]] = {entity: [] for entity in self._entity.values()}
        self._world = LabWorld(self.settings, self._receive, self.log)

    async def run(self) -> None:
        running = asyncio.create_task(self._world.run())
        await self._phase("normal", 1.3)
        for kind, entity in self._entity.items():
            self._world.fail(entity, kind=kind)
        await self._phase("faulty", 3.2)
        await self._act("wrong", WRONG)
        await self._phase("after the wrong action", 0.9)
        await self._act("best", {name: kind.best for name, kind in KINDS.items()})
        await self._phase("after the best action", 1.3)
        self._world.stop()
        await running

    def _receive(self, samples: list[Telemetry]) -> None:
        for sample in samples:
            self._recent[sample.entity].append(sample.values)

    async def _act(self, name: str, actions: dict[str, str]) -> None:
        ends = await asyncio.gather(*(self._world.act(actions[kind], self._entity[kind]) for kind in KIND_NAMES))
        self.results[name] = dict(zip(KIND_NAMES, ends, strict=True))

    async def _phase(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.phases[name] = {kind: self._mean(entity) for kind, entity in self._entity.items()}

    def _mean(self, entity: str) -> dict[str, float]:
        last = self._recent[entity][-SAMPLES:]
        names = {name for values in last for name in values}
        return {name: mean(values[name] for values in last if name in values) for name in names}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = Course(tmp_path_factory.mktemp("lab"))
    asyncio.run(course.run())
    return course


def is_normal(values: dict[str, float]) -> bool:
    return (
        values.get("availability", 0.0) > 0.9
        and values["task_count"] == 1
        and values["memory_mb"] < 25
        and values["open_files"] < 25
        and values["cpu_percent"] < 8
        and 5 < values["throughput"] < 15
        and values["disk_ms"] < 20
    )


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_service_is_normal_before_its_fault(course: Course, kind: str) -> None:
    assert is_normal(course.phases["normal"][kind]), course.phases["normal"][kind]


@pytest.mark.parametrize(("kind", "metric", "least", "most"), SYMPTOMS)
def test_each_kind_has_its_own_symptoms(course: Course, kind: str, metric: str, least: float, most: float) -> None:
    assert least <= course.phases["faulty"][kind][metric] <= most, course.phases["faulty"][kind]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_wrong_action_does_not_end_the_fault(course: Course, kind: str) -> None:
    assert not is_normal(course.phases["after the wrong action"][kind]), course.phases["after the wrong action"][kind]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_best_action_works_and_the_service_is_normal_again(course: Course, kind: str) -> None:
    worked, detail = course.results["best"][kind]
    assert worked, detail
    assert is_normal(course.phases["after the best action"][kind]), course.phases["after the best action"][kind]


def test_the_log_names_every_fault_and_the_action_that_ended_it(course: Course) -> None:
    records = read_log(course.log)
    assert [record.kind for record in records] == list(KIND_NAMES)
    assert {record.kind: record.ended_by for record in records} == {name: kind.best for name, kind in KINDS.items()}
    for record in records:
        assert record.end_us is not None
        assert record.start_us < record.end_us < record.start_us + course.settings.fault_us


def test_a_log_cut_off_in_the_middle_of_a_line_can_be_read(course: Course, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(course.log.read_bytes()[:-10])
    assert [record.end_us is None for record in read_log(cut)].count(True) == 1


def test_every_fault_ends_by_itself_when_nobody_acts(tmp_path: Path) -> None:
    settings = LabSettings(
        folder=str(tmp_path), services=len(KIND_NAMES), most_faults_at_once=0, sample_us=250_000, fault_us=1_000_000
    )
    last: dict[str, dict[str, float]] = {}
    world = LabWorld(settings, lambda samples: last.update({s.entity: s.values for s in samples}), tmp_path / "log")

    async def leave_alone() -> None:
        running = asyncio.create_task(world.run())
        await asyncio.sleep(1.0)
        for entity, kind in zip(settings.entities(), KIND_NAMES, strict=True):
            world.fail(entity, kind=kind)
        await asyncio.sleep(2.6)
        world.stop()
        await running

    asyncio.run(leave_alone())
    assert [record.ended_by for record in read_log(tmp_path / "log")] == ["itself"] * len(KIND_NAMES)
    assert [kind for kind, values in zip(KIND_NAMES, last.values(), strict=True) if not is_normal(values)] == []


def test_a_restart_cures_some_faults_too_but_takes_longer(tmp_path: Path) -> None:
    settings = LabSettings(folder=str(tmp_path), services=3, most_faults_at_once=0, boot_us=0, cold_boot_us=700_000)
    kinds = ("poisoned_cache", "descriptor_leak")
    world = LabWorld(settings, lambda _: None, tmp_path / "log")

    async def restart(entity: str) -> float:
        begun_s = asyncio.get_running_loop().time()
        await world.act("restart", entity)
        return asyncio.get_running_loop().time() - begun_s

    async def restart_all() -> list[float]:
        running = asyncio.create_task(world.run())
        await asyncio.sleep(0.7)
        for entity, kind in zip(settings.entities(), kinds, strict=False):
            world.fail(entity, kind=kind)
        took_s = await asyncio.gather(*(restart(entity) for entity in settings.entities()))
        world.stop()
        await running
        return took_s

    *cold_s, warm_s = asyncio.run(restart_all())
    assert min(cold_s) >= 0.7 > warm_s
    assert [(record.kind, record.ended_by) for record in read_log(tmp_path / "log")] == [
        (kind, "restart") for kind in kinds
    ]


def test_an_unknown_kind_of_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"must be some of memory_leak.*got flood"):
        msgspec.convert({"kinds": ["flood"]}, LabSettings)
