"""Runs the lab against Kafka until its time is over or it is told to stop."""

import asyncio
import os
import signal
from pathlib import Path

from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld, Publish
from schemas.client.producer import TelemetryProducer
from schemas.connection import KafkaConnection
from schemas.events import Telemetry

_FLUSH_S = 2.0
_WATCH_S = 0.5


def run_world(
    connection: KafkaConnection,
    loop: str,
    settings: LabSettings,
    seconds: float | None = None,
    *,
    with_parent: bool = False,
) -> None:
    """Run the lab in this process, publishing to `LOOP.telemetry`; SIGINT and SIGTERM end it, with all that it started.

    `with_parent`: so does the end of the process that started this one, however that ends. Raises `BrokerError` when
    telemetry could not be delivered.
    """
    producer = TelemetryProducer(connection, loop=loop)

    def publish(samples: list[Telemetry]) -> None:
        for sample in samples:
            producer.send(sample.entity, sample.time, sample.values, attributes=sample.attributes)

    run_here(settings, publish, seconds=seconds, with_parent=with_parent)
    producer.flush(_FLUSH_S)


def run_here(
    settings: LabSettings, publish: Publish, *, seconds: float | None = None, with_parent: bool = False
) -> None:
    """Run the lab with any receiver of telemetry; faults are logged to `fault_log(settings)`."""
    asyncio.run(_run(LabWorld(settings, publish, fault_log(settings)), seconds, with_parent))


def fault_log(settings: LabSettings) -> Path:
    """Return where a lab with these settings logs its faults."""
    return Path(settings.folder) / "faults.jsonl"


async def _run(world: LabWorld, seconds: float | None, with_parent: bool) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, world.stop)
    watch = asyncio.create_task(_stop_without_parent(world)) if with_parent else None
    await world.run(seconds=seconds)
    if watch is not None:
        watch.cancel()


async def _stop_without_parent(world: LabWorld) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  # a parent that ends sets no event
        await asyncio.sleep(_WATCH_S)
    world.stop()
