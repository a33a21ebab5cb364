"""`flyball demo`: watch the loop repair live services."""

import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.table import Table

from connectors.kafka.jars import KafkaUnavailable
from schemas.events import Event
from streams.cli.interrupt import Interrupt
from streams.cli.options import now_us
from streams.cli.summary import print_simulation, print_summary
from streams.operate.cluster import require_kafka
from streams.operate.demo import Demonstration
from streams.operate.narration import Narration
from streams.operate.report import Report
from streams.operate.simulation import fleet_loop, simulate_fleet

SHOWN_LINES = 14
INTERRUPTED = 130
SIMULATED_EVENTS = 30_000


class Screen:
    """Lines as they come; on a terminal the last ones above a row of counters that stays."""

    def __init__(self) -> None:
        self._console = Console()
        self._narration = Narration()
        self._lines: list[str] = []
        self._live = Live(console=self._console, refresh_per_second=4, transient=True) if sys.stdout.isatty() else None

    def __enter__(self) -> "Screen":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Show one line."""
        if self._live is None:
            click.echo(line)
        self._lines = [*self._lines, line][-SHOWN_LINES:]
        self._refresh()

    def show(self, event: Event) -> None:
        """Tell one event, when it is worth a line, and count it."""
        line = self._narration.tell(event)
        if line is not None:
            self.say(line)
        else:
            self._refresh()

    def counts(self) -> str:
        """Return what was counted so far, as one line."""
        return "   ".join(f"{name} {count}" for name, count in sorted(self._narration.counts.items()))

    def _refresh(self) -> None:
        if self._live is None:
            return
        table = Table.grid(padding=(0, 2))
        for line in self._lines:
            table.add_row(line)
        table.add_row(f"[bold]{self.counts()}[/bold]")
        self._live.update(table)


@click.command()
@click.option("--seconds", type=click.FloatRange(min=20), default=180.0, show_default=True, help="How long it runs.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Another order of faults, and other draws."
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON here.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the loop's folder here.")
def demo(seconds: float, seed: int, report: Path | None, keep: Path | None) -> None:
    """Start Kafka, all processors, an executor and 12 live services that fail in recurring ways; watch them repaired.

    One episode in five is left to "always restart" (the frozen baseline) and one in five to nothing, so that the
    report can say what the loop was worth. Three minutes teach it little; `flyball simulate` shows what it learns.
    Where Kafka cannot be fetched, that simulation is shown instead. Ctrl-C stops everything within 10 s.
    """
    with Interrupt() as interrupt, ExitStack() as stack:
        try:
            click.echo("looking for Apache Kafka and Java (the first time fetches 43 MB)", err=True)
            require_kafka()
        except KafkaUnavailable as unavailable:
            _simulate_instead(str(unavailable), seed, report)
            return
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flyball-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        found = _run(interrupt, seconds=seconds, seed=seed, folder=folder)
        if found is None:
            sys.exit(INTERRUPTED)
        print_summary(found)
        _write(found, report)


def _run(interrupt: Interrupt, *, seconds: float, seed: int, folder: Path) -> Report | None:
    """Run the demonstration on the screen; None when it was interrupted, which is said."""
    found = None
    with Screen() as screen:
        demonstration = Demonstration(
            seconds=seconds,
            folder=folder,
            seed=seed,
            say=screen.say,
            on_event=screen.show,
            on_broker=interrupt.wait_to_be_asked,
            stopped=lambda: interrupt.asked,
            clock_us=now_us,
        )
        with suppress(KeyboardInterrupt):
            found = demonstration.run()
    if found is None:
        click.echo(f"stopped before the end, and all that was started with it; so far: {screen.counts() or 'nothing'}")
    return found


def _simulate_instead(reason: str, seed: int, report: Path | None) -> None:
    click.echo(f"no Kafka on this machine ({reason}): simulating a fleet on a log in memory instead")
    with Progress(transient=True) as progress:
        task = progress.add_task("simulating", total=SIMULATED_EVENTS)
        found = simulate_fleet(
            fleet_loop(None),
            seed=seed,
            telemetry_events=SIMULATED_EVENTS,
            broker=f"none: in-memory log ({reason})",
            on_progress=lambda samples: progress.update(task, completed=samples),
        )
    print_simulation(found)
    _write(found.report, report)


def _write(found: Report, path: Path | None) -> None:
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        click.echo(f"report: {path}")
