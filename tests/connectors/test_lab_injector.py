"""When a service may fail again: hosts that do nothing, and time that is told."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from connectors.lab.host import Host
from connectors.lab.injector import ITSELF, Injector
from connectors.lab.settings import LabSettings

SECOND = 1_000_000
TICK_US = 50_000


class StillHost:
    """A host that takes orders and is always up."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.orders: list[str] = []

    def ready(self) -> bool:
        return True

    def order(self, order: str) -> None:
        self.orders.append(order)


def begun(tmp_path: Path, *, lasts_s: float, seconds: int, **settings: int) -> list[float]:
    """Return when the faults of one service begin, in seconds, each of which an action ends after `lasts_s`."""
    quick = LabSettings(services=1, warm_up_us=0, fault_every_us=100_000, kinds=("hang",), **settings)  # type: ignore[arg-type]
    host = StillHost()
    hosts = {quick.entities()[0]: cast("Host", host)}
    injector = Injector(settings=quick, hosts=hosts, log_path=tmp_path / "faults.jsonl", started_us=0)
    entity = quick.entities()[0]
    starts: list[float] = []
    for now_us in range(0, seconds * SECOND, TICK_US):
        over = injector.advance(now_us)
        if len(host.orders) > len(starts):
            starts.append(now_us / SECOND)
        if over:
            injector.end(entity, by=ITSELF, now_us=now_us)
        elif starts and injector.fault_of(entity) and now_us >= (starts[-1] + lasts_s) * SECOND:
            injector.rest(entity, now_us=now_us)
            injector.end(entity, by="restart", now_us=now_us)
    injector.close()
    return starts


@pytest.mark.parametrize(
    ("lasts_s", "gap_s"),
    [
        pytest.param(3.0, 30.0, id="cured soon: its outcome is measured undisturbed"),
        pytest.param(99.0, 30.0, id="ended by itself after 20 s"),
    ],
)
def test_faults_of_one_service_begin_well_apart(tmp_path: Path, lasts_s: float, gap_s: float) -> None:
    starts = begun(tmp_path, lasts_s=lasts_s, seconds=130)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(gaps) >= 3
    assert gap_s <= min(gaps) <= max(gaps) < gap_s + 1


def test_a_service_rests_after_its_fault_however_long_that_was(tmp_path: Path) -> None:
    starts = begun(tmp_path, lasts_s=99.0, seconds=100, apart_us=0)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(gaps) >= 2
    assert 26.0 <= min(gaps) <= max(gaps) < 27.0
