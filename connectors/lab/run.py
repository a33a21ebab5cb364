"""Runs the lab against Kafka until its time is over or it is told to stop."""

import asyncio
import signal
from pathlib import Path

from connectors.lab.settings import LabSettings
from connectors.lab.world import LabWorld, Publish
from schemas.client.producer import TelemetryProducer
from schemas.connection import KafkaConnection
from schemas.events import Telemetry

_FLUSH_S = 2.0


def run_world(connection: KafkaConnection, loop: str, settings: LabSettings, seconds: float | None = None) -> None:
    """Run the lab in this process, publishing to `LOOP.telemetry`; SIGINT and SIGTERM end it, with all that it started.

    Raises `BrokerError` when telemetry could not be delivered.
    """
    producer = TelemetryProducer(connection, loop=loop)

    def publish(samples: list[Telemetry]) -> None:
        for sample in samples:
            producer.send(sample.entity, sample.time, sample.values, attributes=sample.attributes)

    run_here(settings, publish, seconds=seconds)
    producer.flush(_FLUSH_S)


def run_here(settings: LabSettings, publish: Publish, *, seconds: float | None = None) -> None:
    """Run the lab with any receiver of telemetry; faults are logged to `fault_log(settings)`."""
    asyncio.run(_run(LabWorld(settings, publish, fault_log(settings)), seconds))


def fault_log(settings: LabSettings) -> Path:
    """Return where a lab with these settings logs its faults."""
    return Path(settings.folder) / "faults.jsonl"


async def _run(world: LabWorld, seconds: float | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, world.stop)
    await world.run(seconds=seconds)
