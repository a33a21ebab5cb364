"""Running a loop without Kafka: over a file, or against the simulated fleet."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from schemas.events import Event, Telemetry
from streams.app import make_decoded_role
from streams.operate.telemetry_file import read_telemetry_file
from streams.replay import RoleFactory, backtest
from streams.settings import Settings


def backtest_file(
    settings: Settings, path: Path, *, entity: str, time: str, metrics: tuple[str, ...]
) -> Iterator[Event]:
    """Run a loop over the rows of a file, at the times they carry; yield its events, topic by topic."""
    table = read_telemetry_file(path, entity=entity, time=time, metrics=metrics)
    return backtest(
        loop=settings.loop.name,
        settings_hash=settings.settings_hash,
        make_role=role_factory(settings),
        samples=list(samples_of(table)),
    )


def role_factory(settings: Settings) -> RoleFactory:
    """Return what makes this loop's roles, by name and partition, without keys or a broker."""
    return lambda role, partition: make_decoded_role(settings, role=role, partition=partition)


def samples_of(table: pl.DataFrame) -> Iterator[Telemetry]:
    """Yield the rows of a telemetry table; absent values are left out."""
    metrics = [name for name in table.columns if name not in ("entity", "time")]
    for row in table.with_columns(pl.col("time").dt.epoch("us")).iter_rows(named=True):
        values = {name: row[name] for name in metrics if row[name] is not None}
        yield Telemetry(entity=row["entity"], time=row["time"], values=values)
