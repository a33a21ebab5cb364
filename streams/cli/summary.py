"""A run's report, for people."""

import click

from connectors.lab.intervals import Interval
from streams.cli.options import print_table
from streams.cli.proof_text import print_proof
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
        f"{report.episodes} episodes, {report.storms} storms, {len(report.patterns)} recurring patterns, "
        f"{report.proposals} proposals{_not_yet(report.undecided)}, "
        f"{report.actions} actions ({report.actions_executed_twice} executed twice, "
        f"{report.actions_without_outcome} without an outcome), {report.dead_letters} dead letters, "
        f"{report.restarts} workers restarted"
    )
    if report.latency_ms_p50 is not None and report.latency_ms_p99 is not None:
        click.echo(f"telemetry to action: p50 {report.latency_ms_p50:.0f} ms, p99 {report.latency_ms_p99:.0f} ms")
    _print_patterns(report)
    _print_sequences(report)
    _print_counts("verdicts", report.verdicts)
    _print_counts("decided by", report.reasons)
    _print_counts("outcomes", report.outcomes)
    _print_counts("learned from", report.experiences)
    if report.outcomes_contradicted:
        click.echo(f"WARNING: {report.outcomes_contradicted} actions have ends that differ; the first counts")
    if report.early is not None:
        early = report.early
        click.echo(
            f"early signals: used for {early.told} decisions; {early.explained:.0%} of what {early.pairs} outcomes "
            "deviated was foretold"
        )
    if report.observed_share is not None:
        click.echo(f"{report.observed_share:.0%} of executed actions have an observed outcome")
    _print_arms(report)
    if report.proof is not None:
        print_proof(report.proof)


def _not_yet(undecided: int) -> str:
    return f" ({undecided} not decided when it ended)" if undecided else ""


def _print_arms(report: Report) -> None:
    """Print the hold-out; where the world keeps a log of its own, also when the cause was really gone."""
    rows = [
        [
            arm,
            str(line.decisions),
            str(line.observed),
            str(line.unrecovered),
            f"{'≥ ' if line.unrecovered else ''}{_interval(line.recovery_s)}",
            _interval(line.availability),
        ]
        for arm, line in report.arms.items()
    ]
    columns = ["arm", "episodes", "observed", "not in time", "seconds to recovery", "availability"]
    if report.lab is not None:
        truth = {line.arm: line for line in report.lab.arms}
        columns += ["seconds until the cause was gone", "best remedy"]
        rows = [[*row, _interval(truth[row[0]].fault_s), _percent(truth[row[0]].best_share)] for row in rows]
    print_table(
        "hold-out: means with 95 % bootstrap intervals (the ledger's anytime ones are in the report)", columns, rows
    )
    if any(line.unrecovered for line in report.arms.values()):
        click.echo("≥: what was not normal again in time counts with the whole outcome window")


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


def _print_sequences(report: Report) -> None:
    if report.sequences:
        rows = [
            [line.sequence, line.name, str(line.support), f"{line.expected:.1f}", f"{line.lag_s:.0f}"]
            for line in report.sequences
        ]
        columns = ["sequence", "name", "support", "by chance", "seconds apart"]
        print_table("patterns that follow one another", columns, rows)
    if report.drifts:
        rows = [
            [
                line.subject,
                "-" if line.partition is None else str(line.partition),
                f"{line.before:.4g}",
                f"{line.after:.4g}",
            ]
            for line in report.drifts
        ]
        print_table("changed for good", ["subject", "partition", "before", "after"], rows)


def _print_counts(title: str, counts: dict[str, int]) -> None:
    click.echo(f"{title}: " + (", ".join(f"{name} {count}" for name, count in counts.items()) or "none"))


def _reward(found: tuple[int, float] | None) -> str:
    return "-" if found is None else f"{found[1]:.3f} ({found[0]})"


def _interval(found: Interval | None) -> str:
    return "-" if found is None else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
