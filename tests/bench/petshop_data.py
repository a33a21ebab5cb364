"""What the PetShop benchmark runs: recorded faults behind a normal past, and faults injected into normal operation."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from schemas.events import Telemetry
from streams.replay.backtest import sample_us

SAMPLE_S = 300
S_US = 1_000_000
METRICS = ("latency_Average", "availability_Average")
"""What tells that something is wrong. How many requests a component gets follows from its callers: no symptom."""
PAST = 350
"""Samples of the normal past."""
CALM, BETWEEN = 220, 18
"""Samples before the first injected fault, and from one to the next."""
VISIBLE = 0.2
"""A caller is alarmed when at least this share of the trouble reaches it."""
USUAL = 0.99
"""A fault is seen when, in one of its samples, a metric of the cause and one of the alarmed component are worse than in
this share of their normal samples."""
VIEWS = ("_remote", "_client")
"""Names that end so are how one component sees another; nothing can be done there."""
Calls = dict[str, tuple[str, ...]]
Samples = Mapping[str, dict[str, float]]
"""Component to its metrics, at one time."""
Bounds = Mapping[tuple[str, str], float]
"""(component, metric) to the value beyond which it is worse than usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: when it is first sampled, which component raised the alarm and when, and where it truly began.

    Where it is not `seen`, it is lost in what is normal there, and nobody would have raised that alarm.
    """

    case: str
    start_s: int
    alarm_s: int
    alarmed: str
    cause: str
    seen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Telemetry of one run through the product, with the calls declared to it and the faults in it."""

    samples: list[Telemetry]
    calls: Calls
    faults: list[Fault]


def recorded_runs(data: Path) -> Iterator[Run]:
    """Yield one run per recorded fault: `PAST` normal samples, then those until ten minutes after the alarm.

    The normal recording was made months later, on another level: each metric of each component is moved (availability)
    or scaled (latency) so that its median is what was sampled before the alarm. A traffic without a normal recording
    takes that of high traffic.
    """
    normal, issues = _read(data / "normal.parquet"), _read(data / "issues.parquet")
    recorded = set(normal["scenario"].unique())
    for one in json.loads((data / "targets.json").read_text()):
        traffic, target = one["scenario"], one["target"]
        past = normal.filter(pl.col("scenario") == (traffic if traffic in recorded else "high_traffic"))
        issue = issues.filter((pl.col("scenario") == traffic) & (pl.col("issue") == one["issue"]))
        alarm_s = target["timestamp"]
        fault = Fault(
            case=f"{traffic.replace('_traffic', '')} {target['metric']}",
            start_s=alarm_s - alarm_s % SAMPLE_S - SAMPLE_S,
            alarm_s=alarm_s,
            alarmed=target["node"],
            cause=one["root_cause"]["node"],
        )
        rows = pl.concat([_moved(past, issue, alarm_s), issue.select(_COLUMNS)])
        rows = rows.filter(pl.col("unix_timestamp") <= alarm_s + 2 * SAMPLE_S)
        yield Run(samples=_samples(rows), calls=read_calls(data / f"graph_{traffic}.csv"), faults=[fault])


def injected_runs(data: Path, *, seeds: int) -> Iterator[Run]:
    """Yield runs over normal operation with faults injected at one component after the other, whichever has callers.

    For two samples its latency grows to 2 to 6 times, or its availability falls by 3 to 15 points; each caller gets of
    that (in seconds, or points) the share of its requests that go there, and so on up the calls.
    """
    normal = _read(data / "normal.parquet", (*METRICS, "requests_Sum"))
    for seed in range(seeds):
        for traffic in sorted(normal["scenario"].unique()):
            calls = read_calls(data / f"graph_{traffic}.csv")
            yield _injected(normal.filter(pl.col("scenario") == traffic), calls, traffic, np.random.default_rng(seed))


def read_calls(path: Path) -> Calls:
    """Return caller to callees from an adjacency matrix whose rows call its columns."""
    with path.open(newline="") as file:
        (_, *names), *rows = csv.reader(file)
    found = {
        caller: tuple(name for name, cell in zip(names, cells, strict=True) if float(cell)) for caller, *cells in rows
    }
    return {caller: callees for caller, callees in found.items() if callees}


def components(calls: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return what can be acted on: every name that is no view of another component."""
    names = {name for caller, callees in calls.items() for name in (caller, *callees)}
    return sorted(name for name in names if not name.endswith(VIEWS))


def depends_on(component: str, calls: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the component and all that it calls, directly or not."""
    found = {component: None}
    queue = [component]
    for one in queue:
        queue += [callee for callee in calls.get(one, ()) if callee not in found]
        found |= dict.fromkeys(calls.get(one, ()))
    return set(found)


_KEY = ["node", "name"]
_COLUMNS = ["unix_timestamp", *_KEY, "value"]


def _read(path: Path, metrics: tuple[str, ...] = METRICS) -> pl.DataFrame:
    frame = pl.read_parquet(path).with_columns(name=pl.col("metric") + "_" + pl.col("statistic"))
    return frame.filter(pl.col("name").is_in(metrics))


def _moved(past: pl.DataFrame, issue: pl.DataFrame, alarm_s: int) -> pl.DataFrame:
    """Return the latest normal samples, right before the issue's first and on its level."""
    last = past["unix_timestamp"].max()
    usual = past.group_by(_KEY).agg(usual=pl.col("value").median())
    before = issue.filter(pl.col("unix_timestamp") + SAMPLE_S <= alarm_s)
    level = before.group_by(_KEY).agg(level=pl.col("value").mean())
    joined = past.join(usual, on=_KEY).join(level, on=_KEY)
    points = pl.col("name") == "availability_Average"
    value, shift = pl.col("value"), pl.col("level") - pl.col("usual")
    scaled = pl.when(pl.col("usual") > 0).then(value * pl.col("level") / pl.col("usual")).otherwise(value)
    return (
        joined.filter(pl.col("unix_timestamp") > last - PAST * SAMPLE_S)
        .with_columns(
            unix_timestamp=pl.col("unix_timestamp") - last + issue["unix_timestamp"].min() - SAMPLE_S,
            value=pl.when(points).then((value + shift).clip(0, 100)).otherwise(scaled),
        )
        .select(_COLUMNS)
    )


def _samples(rows: pl.DataFrame) -> list[Telemetry]:
    index = ["unix_timestamp", "node"]
    table = rows.pivot("name", index=index, values="value", aggregate_function="first").sort(index)
    return [
        Telemetry(
            entity=row["node"],
            time=row["unix_timestamp"] * S_US,
            values={name: value for name, value in row.items() if name in METRICS and value is not None},
        )
        for row in table.iter_rows(named=True)
    ]


def _injected(normal: pl.DataFrame, calls: Calls, traffic: str, rng: np.random.Generator) -> Run:
    requests = normal.filter(pl.col("name") == "requests_Sum").group_by("node").agg(pl.col("value").median())
    loads: dict[str, float] = dict(requests.iter_rows())
    bounds = _bounds(normal)
    samples = _samples(normal.filter(pl.col("name").is_in(METRICS)))
    by_time: dict[int, dict[str, dict[str, float]]] = {}
    for sample in samples:
        by_time.setdefault(sample_us(sample), {})[sample.entity] = sample.values
    times = sorted(by_time)
    callees = {callee for called in calls.values() for callee in called}
    sampled = [name for name in components(calls) if name in callees and loads.get(name, 0) >= 5]
    faults: list[Fault] = []
    for number, place in enumerate(range(CALM, len(times) - 5, BETWEEN)):
        if number % len(sampled) == 0:
            order = rng.permutation(len(sampled))
        cause = sampled[order[number % len(sampled)]]
        metric = METRICS[int(rng.integers(2))]
        effect = float(rng.uniform(1, 5) if metric == METRICS[0] else rng.uniform(3, 15))
        reached = _spread(cause, calls, loads)
        for time_us in times[place : place + 2]:
            _strike(by_time[time_us], metric, effect, reached)
        alarmed = [name for name, share in reached.items() if share >= VISIBLE and name != cause]
        if alarmed:
            start_s = times[place] // S_US
            struck = [by_time[time_us] for time_us in times[place : place + 2]]
            faults.append(
                Fault(
                    case=f"{traffic.removesuffix('_traffic')} {metric.partition('_')[0]}",
                    start_s=start_s,
                    alarm_s=start_s + SAMPLE_S,
                    alarmed=alarmed[-1],
                    cause=cause,
                    seen=all(_is_worse(name, struck, bounds) for name in (cause, alarmed[-1])),
                )
            )
    return Run(samples=samples, calls=calls, faults=faults)


def _spread(cause: str, calls: Calls, loads: Mapping[str, float]) -> dict[str, float]:
    """Return what share of the trouble reaches each caller, nearest first."""
    reached = {cause: 1.0}
    queue = [cause]
    for callee in queue:
        for caller, callees in calls.items():
            if callee in callees and caller not in reached and loads.get(caller, 0) > 0:
                reached[caller] = reached[callee] * min(1.0, loads.get(callee, 0) / loads[caller])
                queue.append(caller)
    return reached


def _bounds(normal: pl.DataFrame) -> Bounds:
    value = pl.col("value")
    bound = pl.when(pl.col("name") == METRICS[0]).then(value.quantile(USUAL)).otherwise(value.quantile(1 - USUAL))
    rows = normal.filter(pl.col("name").is_in(METRICS)).group_by(_KEY).agg(bound=bound.first())
    return {(node, name): bound for node, name, bound in rows.iter_rows()}


def _is_worse(component: str, samples: Sequence[Samples], bounds: Bounds) -> bool:
    found = [(metric, value) for sample in samples for metric, value in sample.get(component, {}).items()]
    return any(
        value > bounds[component, metric] if metric == METRICS[0] else value < bounds[component, metric]
        for metric, value in found
    )


def _strike(at_once: Samples, metric: str, effect: float, reached: Mapping[str, float]) -> None:
    """Add to each value what reaches it: `effect` times the cause's own latency, or minus `effect` points."""
    own = at_once.get(next(iter(reached)), {}).get(metric)
    if own is None:
        return
    change = own * effect if metric == METRICS[0] else -effect
    for name, share in reached.items():
        values = at_once.get(name, {})
        if metric in values:
            values[metric] = max(values[metric] + share * change, 0.0)
