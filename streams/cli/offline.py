"""`flyball simulate, backtest`: the loop without Kafka."""

from collections import Counter
from pathlib import Path

import click

from schemas.events import Episode, Pattern, Verdict
from streams.cli.options import config_option, json_option, print_json_line, print_table, utc
from streams.operate.narration import Narration
from streams.operate.offline import backtest_file
from streams.settings import load


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
    click.echo(f"{episodes} episodes")
    recurring = [pattern for pattern in patterns.values() if pattern.status == "recurring"]
    print_table(
        "recurring patterns",
        ["pattern", "name", "support"],
        [[pattern.pattern, pattern.name, str(pattern.support)] for pattern in recurring],
    )
    print_table("verdicts", ["verdict", "count"], [[name, str(count)] for name, count in sorted(verdicts.items())])
