"""`flyball simulate, backtest`: the loop without Kafka."""

from collections import Counter
from pathlib import Path

import click
import msgspec
from rich.progress import Progress

from schemas.events import Episode, Pattern, Verdict
from streams.cli.options import config_option, json_option, print_json, print_json_line, print_table, utc
from streams.cli.summary import print_simulation
from streams.operate.narration import Narration
from streams.operate.offline import backtest_file
from streams.operate.simulation import fleet_loop, simulate_fleet
from streams.settings import load


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Everything is drawn from it.")
@click.option("--events", type=click.IntRange(min=1), default=30_000, show_default=True, help="Samples of telemetry.")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Run this loop.toml; its [fleet] says how the fleet behaves.  [default: a loop without limits]",
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON here.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Keep the gate's part of the run in this new folder, for `flyball profiles --from FOLDER`.",
)
@json_option
def simulate(
    seed: int, events: int, config: Path | None, report: Path | None, *, save: Path | None, as_json: bool
) -> None:
    """Run the whole loop against a simulated fleet, without Kafka, and print what it learned.

    Faults recur in kinds with different best remedies, which nothing tells the loop; one action makes things worse.
    Rewards are shown by arm of the hold-out and by quarter of the run. The same seed gives the same run.
    """
    with Progress(transient=True, disable=as_json) as progress:
        task = progress.add_task("simulating", total=events)
        found = simulate_fleet(
            fleet_loop(config),
            seed=seed,
            telemetry_events=events,
            on_progress=lambda samples: progress.update(task, completed=samples),
            save=save,
        )
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(found.report), indent=2) + b"\n")
    if as_json:
        print_json(found)
    else:
        print_simulation(found)


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--entity", default="entity", show_default=True, help="Column that names the entity.")
@click.option("--time", "time_column", default="time", show_default=True, help="Column with the time (UTC).")
@click.option("--metric", "metrics", multiple=True, help="Column to use; repeat.  [default: every numeric one]")
@json_option
def backtest(
    config: Path, file: Path, entity: str, time_column: str, metrics: tuple[str, ...], *, as_json: bool
) -> None:
    """Run a loop.toml over FILE (CSV, NDJSON or Parquet): what it would have seen, proposed and allowed.

    Nothing acts and nothing is needed but the file: no Kafka, no keys. With --json every event is printed as a line.
    """
    narration = Narration()
    verdicts: Counter[str] = Counter()
    patterns: dict[str, Pattern] = {}
    episodes = 0
    for event in backtest_file(load(config), file, entity=entity, time=time_column, metrics=metrics):
        if as_json:
            print_json_line({"type": event.TYPE, "event": event})
            continue
        line = narration.tell(event)
        if line is not None and not isinstance(event, Verdict):
            click.echo(f"{utc(event.time_us)[:10]} {line}")
        episodes += isinstance(event, Episode) and event.phase == "opened"
        if isinstance(event, Pattern):
            patterns[event.pattern] = event
        if isinstance(event, Verdict):
            verdicts[f"{event.verdict} ({event.decided_by or 'passed'})"] += 1
    if as_json:
        return
    click.echo(f"{episodes} episodes, {narration.counts['storms']} storms")
    recurring = [pattern for pattern in patterns.values() if pattern.status == "recurring"]
    print_table(
        "recurring patterns",
        ["pattern", "name", "support"],
        [[pattern.pattern, pattern.name, str(pattern.support)] for pattern in recurring],
    )
    print_table("verdicts", ["verdict", "count"], [[name, str(count)] for name, count in sorted(verdicts.items())])
