"""Workers are killed, stopped and frozen on a real broker; the log must look as if nothing had happened."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka
from tests.kafka.crash_run import Blow, CrashRun, Result, planned_blows

Make = Callable[..., CrashRun]


@pytest.fixture
def make_run(broker: LocalKafka, loop_name: str, tmp_path: Path) -> Make:
    def make(name: str, *, workers: int, blows: list[Blow]) -> CrashRun:
        return CrashRun(
            connection=broker.connection,
            loop=f"{loop_name}-{name}",
            folder=tmp_path / name,
            workers=workers,
            blows=tuple(blows),
        )

    return make


def run_together(runs: list[CrashRun]) -> list[Result]:
    """Run loops side by side on one broker: waiting for sessions to expire is most of the time."""
    with ThreadPoolExecutor(len(runs)) as threads:
        return list(threads.map(CrashRun.run, runs))


def assert_unharmed(result: Result) -> None:
    assert result.violations == ""
    assert result.steps > 0
    assert result.unequal == []
    assert result.returned == []
    assert result.altered_steps_that_differ >= 1


def test_killed_stopped_and_frozen_workers_leave_a_log_without_gap_or_double(make_run: Make) -> None:
    one = make_run("one", workers=1, blows=planned_blows(11, workers=1, count=7))
    three = make_run("three", workers=3, blows=planned_blows(12, workers=3, count=7))
    results = run_together([one, three])
    for result in results:
        assert_unharmed(result)
    assert results[1].successions >= 7
    print(f"{sum(result.fenced for result in results)} zombies were refused when they wrote")
    waits = [wait for result in results for wait in result.recovery_s]
    print(f"SIGKILL to the next step of every partition: median {statistics.median(waits):.1f} s of {len(waits)}")


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_blows_leave_a_log_without_gap_or_double(make_run: Make, seed: int) -> None:
    one = make_run("one", workers=1, blows=planned_blows(100 + seed, workers=1, count=10))
    three = make_run("three", workers=3, blows=planned_blows(200 + seed, workers=3, count=10))
    for result in run_together([one, three]):
        assert_unharmed(result)


def test_a_broker_that_is_killed_three_times_loses_nothing(tmp_path: Path) -> None:
    with LocalKafka(data=tmp_path / "kafka") as kafka:
        kafka.start()

        def restart_three_times() -> None:
            for _ in range(3):
                time.sleep(2)
                kafka.kill()
                time.sleep(1)
                kafka.restart()

        run = CrashRun(
            connection=kafka.connection,
            loop="broker",
            folder=tmp_path / "run",
            disturb=restart_three_times,
        )
        assert_unharmed(run.run())
