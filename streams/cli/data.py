"""`flyball publish, actions, outcomes`: telemetry in, actions and their ends out."""

from pathlib import Path

import click
from rich.progress import Progress

from schemas.client import TelemetryProducer
from schemas.events import Action, Event, Outcome
from streams.cli.options import config_option, json_option, print_json_line, reader_of, utc
from streams.operate.loop_place import LoopPlace
from streams.operate.telemetry_file import read_telemetry_file

ROWS_PER_SLICE = 50_000
follow_option = click.option("--follow", "-f", is_flag=True, help="Go on and print new ones as they come.")


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--entity", default="entity", show_default=True, help="Column that names the entity.")
@click.option("--time", "time_column", default="time", show_default=True, help="Column with the time (UTC).")
@click.option("--metric", "metrics", multiple=True, help="Column to send; repeat.  [default: every numeric one]")
def publish(config: Path, file: Path, entity: str, time_column: str, metrics: tuple[str, ...]) -> None:
    """Send the rows of FILE (CSV, NDJSON or Parquet) as telemetry; exit 0 only when Kafka has all of them."""
    place = LoopPlace.open(config)
    place.audience()  # a broker that is down says so before a large file is read
    table = read_telemetry_file(file, entity=entity, time=time_column, metrics=metrics)
    with TelemetryProducer(place.connection(), loop=place.loop) as producer, Progress(transient=True) as progress:
        task = progress.add_task("publishing", total=table.height)
        for start in range(0, table.height, ROWS_PER_SLICE):
            part = table.slice(start, ROWS_PER_SLICE)
            producer.send_frame(part)
            progress.advance(task, part.height)
        producer.flush()
    names = ", ".join(name for name in table.columns if name not in ("entity", "time"))
    click.echo(f"published {table.height} rows of {table['entity'].n_unique()} entities ({names}) to {place.loop}")


@click.command()
@config_option
@follow_option
@json_option
def actions(config: Path, *, follow: bool, as_json: bool) -> None:
    """Print the actions that the gate let through. Looking does not claim them; an executor does that."""
    _print_events(config, "actions", follow=follow, as_json=as_json)


@click.command()
@config_option
@follow_option
@json_option
def outcomes(config: Path, *, follow: bool, as_json: bool) -> None:
    """Print what executors reported: claims and ends."""
    _print_events(config, "outcomes", follow=follow, as_json=as_json)


def _print_events(config: Path, topic: str, *, follow: bool, as_json: bool) -> None:
    for record in reader_of(LoopPlace.open(config)).records([topic], follow=follow):
        event = record.event() if record is not None else None
        if event is None:
            continue
        if as_json:
            print_json_line(event)
        else:
            click.echo(_line(event))


def _line(event: Event) -> str:
    match event:
        case Action():
            rehearsal = "  (dry run)" if event.dry_run else ""
            return f"{utc(event.time_us)}  {event.action:<16} {event.entity:<20} {event.pattern:<10}{rehearsal}"
        case Outcome():
            detail = f"  {event.detail}" if event.detail else ""
            return f"{utc(event.time_us)}  {event.state:<10} {event.entity:<20} by {event.executor}{detail}"
        case _:
            return f"{utc(event.time_us)}  {event.TYPE}"
