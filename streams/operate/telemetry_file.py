"""Telemetry from a file: CSV, NDJSON or Parquet, as one table of `entity`, `time` and float metrics."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from schemas.errors import SettingsError

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": pl.read_csv,
    ".ndjson": pl.read_ndjson,
    ".jsonl": pl.read_ndjson,
    ".parquet": pl.read_parquet,
}
_EPOCH_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))


def read_telemetry_file(path: Path, *, entity: str, time: str, metrics: tuple[str, ...] = ()) -> pl.DataFrame:
    """Return the file's rows sorted by time: `entity` (string), `time` (us, UTC), one float64 column per metric.

    Without `metrics`, every numeric column but time is one. Raises `SettingsError` that says what was expected.
    """
    table = _read(path)
    missing = [name for name in (entity, time, *metrics) if name not in table.columns]
    if missing:
        raise SettingsError(
            [f"{path}: expected columns {missing}, got {table.columns}; name them with --entity, --time"]
        )
    chosen = metrics or tuple(
        name for name, kind in table.schema.items() if kind.is_numeric() and name not in (entity, time)
    )
    if not chosen:
        raise SettingsError([f"{path}: expected at least one numeric column as a metric, got {table.columns}"])
    return table.select(
        pl.col(entity).cast(pl.String).alias("entity"),
        _time_column(table.schema[time], table[time], path).alias("time"),
        *(pl.col(name).cast(pl.Float64) for name in chosen),
    ).sort("time", maintain_order=True)


def _read(path: Path) -> pl.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SettingsError([f"{path}: expected a file ending in {', '.join(_READERS)}, got {path.suffix or 'none'}"])
    try:
        return reader(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SettingsError([f"{path}: cannot be read as {path.suffix[1:]}: {error}"]) from error


def _time_column(kind: pl.DataType, column: pl.Series, path: Path) -> pl.Series:
    if kind == pl.String:
        parsed = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        if parsed.null_count() > column.null_count():
            bad = column.filter(parsed.is_null() & column.is_not_null())[0]
            raise SettingsError([f"{path}: expected times such as 2026-01-31T12:00:00Z, got {bad!r}"])
        return parsed
    if isinstance(kind, pl.Datetime):
        naive = column.dt.replace_time_zone("UTC") if kind.time_zone is None else column.dt.convert_time_zone("UTC")
        return naive.cast(pl.Datetime("us", "UTC"))
    if kind.is_numeric():
        largest = float(column.cast(pl.Float64).abs().max() or 0.0)  # type: ignore[arg-type]  # numeric, so a number
        unit = next(name for bound, name in _EPOCH_UNITS if largest >= bound)
        factor = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}[unit]
        micros = (column.cast(pl.Float64) * factor).round().cast(pl.Int64)
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raise SettingsError([f"{path}: expected times as text, timestamps or numbers, got {kind}"])
