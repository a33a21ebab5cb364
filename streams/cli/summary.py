"""A run's report, for people."""

import click

from streams.cli.options import print_table
from streams.operate.report import Report
from streams.operate.simulation import Simulation


def print_simulation(simulation: Simulation) -> None:
    """Print what a simulated run came to, and how rewards went from quarter to quarter."""
    print_summary(simulation.report)
    arms = ("loop", "baseline", "none")
    rows = [[str(line.quarter), *(_reward(line.rewards.get(arm)) for arm in arms)] for line in simulation.quarters]
    print_table("mean reward by quarter of the run (decisions)", ["quarter", *arms], rows)


def print_summary(report: Report) -> None:
    """Print what a run came to, the hold-out last."""
    click.echo(f"\n{report.broker}, {report.seconds:.0f} s, {report.telemetry_events} telemetry events")
    click.echo(
        f"{report.episodes} episodes, {len(report.patterns)} recurring patterns, {report.proposals} proposals, "
        f"{report.actions} actions ({report.actions_executed_twice} executed twice, "
        f"{report.actions_without_outcome} without an outcome), {report.dead_letters} dead letters, "
        f"{report.restarts} workers restarted"
    )
    if report.latency_ms_p50 is not None and report.latency_ms_p99 is not None:
        click.echo(f"telemetry to action: p50 {report.latency_ms_p50:.0f} ms, p99 {report.latency_ms_p99:.0f} ms")
    _print_patterns(report)
    _print_counts("verdicts", report.verdicts)
    _print_counts("decided by", report.reasons)
    _print_counts("outcomes", report.outcomes)
    _print_counts("learned from", report.experiences)
    if report.observed_share is not None:
        click.echo(f"{report.observed_share:.0%} of executed actions have an observed outcome")
    rows = [
        [arm, str(line.decisions), str(line.observed), _interval(line.recovery_s), _interval(line.availability)]
        for arm, line in report.arms.items()
    ]
    print_table("hold-out", ["arm", "episodes", "observed", "seconds to recovery", "availability"], rows)


def _print_patterns(report: Report) -> None:
    if report.lab is None:
        rows = [[line.pattern, line.name, str(line.support)] for line in report.patterns]
        print_table("recurring patterns", ["pattern", "name", "support"], rows)
        return
    rows = [
        [line.pattern, line.name, str(line.support), line.kind, f"{line.purity:.2f}"] for line in report.lab.patterns
    ]
    print_table(
        "recurring patterns (fault and purity from the world's own log, which the loop never sees)",
        ["pattern", "name", "support", "fault", "purity"],
        rows,
    )
    click.echo(
        f"{report.lab.faults} faults injected, {report.lab.faults_seen} seen; pure recurring patterns hold "
        f"{report.lab.pure_share:.0%} of {report.lab.fault_episodes} fault episodes"
    )


def _print_counts(title: str, counts: dict[str, int]) -> None:
    click.echo(f"{title}: " + (", ".join(f"{name} {count}" for name, count in counts.items()) or "none"))


def _reward(found: tuple[int, float] | None) -> str:
    return "-" if found is None else f"{found[1]:.3f} ({found[0]})"


def _interval(values: tuple[float, float, float] | None) -> str:
    return "-" if values is None else f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"
