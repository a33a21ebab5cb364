"""PetShop: which component of a web shop to act on, from telemetry with injected faults and a graph of calls.

`python -m tests.bench.petshop --data DIR [--json OUT]`. DIR holds `normal.parquet`, `issues.parquet`, `targets.json` and
one `graph_TRAFFIC.csv` per traffic (rows call columns). Each fault runs by itself through the real processors with a
`loop.toml`: a normal past, then the samples of the fault. The answer is the ranking of the last storm that was told with
the component whose alarm is given among its members.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from schemas.events import Episode, Storm, Telemetry
from streams.app import make_decoded_role
from streams.loop.role import Role
from streams.replay import Driver, DriverSettings
from streams.replay.backtest import NEVER_US, RecordedWorld
from streams.replay.reading import read_events
from streams.settings import Settings
from streams.settings.read import parse
from tests.bench.rows import Row, print_table, write_rows

SAMPLE_S = 300
LOOP_TOML = """\
[loop]
name = "bench"

[telemetry]
partitions = 1

[detect]
window = "5m"          # the samples lie five minutes apart
idle = "1h"
gone = "1d"
open_windows = 1
open_of = 1
onset_windows = 1
census = "30d"         # nobody reads it here

[graph]
window = "12m"         # a component answers for what happens to its callers up to two samples later
actionable = {actionable}

[graph.calls]
{calls}

[policy]
baseline = "restart"

[actions.restart]
cost = 0.05
"""
Calls = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    traffic: str
    issue: str
    node: str
    metric: str
    alarm_s: int
    cause: str


def faults_of(data: Path) -> list[Fault]:
    return [
        Fault(
            traffic=one["scenario"],
            issue=one["issue"],
            node=one["target"]["node"],
            metric=one["target"]["metric"],
            alarm_s=one["target"]["timestamp"],
            cause=one["root_cause"]["node"],
        )
        for one in json.loads((data / "targets.json").read_text())
    ]


def calls_of(path: Path) -> Calls:
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    return {
        caller: tuple(callee for callee, cell in zip(head[1:], cells, strict=True) if float(cell))
        for caller, *cells in rows
    }


def settings_of(calls: Mapping[str, Sequence[str]], actionable: Iterable[str] = ()) -> Settings:
    lines = [f"{json.dumps(caller)} = {json.dumps(list(callees))}" for caller, callees in calls.items() if callees]
    text = LOOP_TOML.format(calls="\n".join(lines), actionable=json.dumps(sorted(actionable)))
    return parse(text, name="loop.toml")


def wide(frame):
    frame = frame.with_columns((pl.col("metric") + "_" + pl.col("statistic")).alias("name"))
    return frame


def samples_of(normal, issue, alarm_s):
    first = issue["unix_timestamp"].min()
    key = ["node", "name"]
    before = (
        issue.filter(pl.col("unix_timestamp") + SAMPLE_S <= alarm_s)
        .group_by(key)
        .agg(pl.col("value").mean().alias("now"))
    )
    usual = normal.group_by(key).agg(pl.col("value").median().alias("usual"))
    moved = normal.join(usual, on=key, how="left").join(before, on=key, how="left")
    ratio = (pl.col("metric") != "availability") & (pl.col("now") > 0) & (pl.col("usual") > 0)
    moved = moved.filter(pl.col("now").is_not_null()).with_columns(
        pl.when(ratio)
        .then(pl.col("value") * pl.col("now") / pl.col("usual"))
        .when(pl.col("metric") == "availability")
        .then((pl.col("value") + pl.col("now") - pl.col("usual")).clip(0, 100))
        .otherwise(pl.col("value") + pl.col("now") - pl.col("usual"))
        .alias("value"),
        (pl.col("unix_timestamp") - normal["unix_timestamp"].max() + first - SAMPLE_S).alias("unix_timestamp"),
    )
    cols = ["unix_timestamp", "node", "name", "value"]
    both = pl.concat(
        [moved.select(cols), issue.filter(pl.col("unix_timestamp") <= alarm_s + 2 * SAMPLE_S).select(cols)]
    )
    both = both.pivot("name", index=["unix_timestamp", "node"], values="value", aggregate_function="first").sort(
        "unix_timestamp", "node"
    )
    names = [n for n in both.columns if n not in ("unix_timestamp", "node")]
    for row in both.iter_rows(named=True):
        yield Telemetry(
            entity=row["node"],
            time=row["unix_timestamp"] * 1_000_000,
            values={n: row[n] for n in names if row[n] is not None},
        )


def run(samples, settings):
    samples = list(samples)
    driver = Driver(
        settings=DriverSettings(
            loop="bench",
            start_us=samples[0].time - 1,
            tick_us=SAMPLE_S * 1_000_000,
            partitions=1,
            executors=0,
            steps_per_snapshot=NEVER_US,
            roles=("detect", "decide"),
        ),
        make_role=lambda role, partition: make_decoded_role(settings, role=role, partition=partition),
        world=RecordedWorld(samples),
    )
    driver.run(telemetry_events=len(samples))
    return [
        e
        for t in ("insights", "patterns")
        for _, e in read_events(driver.log, t, 0, 0)
        if isinstance(e, (Storm, Episode))
    ]


if __name__ == "__main__":
    import sys, time

    data = Path(sys.argv[1])
    metrics = sys.argv[2].split(",") if len(sys.argv) > 2 and sys.argv[2] != "all" else None
    issues = wide(pl.read_parquet(data / "issues.parquet"))
    normal = wide(pl.read_parquet(data / "normal.parquet"))
    if metrics:
        issues = issues.filter(pl.col("name").is_in(metrics))
        normal = normal.filter(pl.col("name").is_in(metrics))
    hit = 0
    for f in faults_of(data):
        t0 = time.time()
        tr = f.traffic if f.traffic in set(normal["scenario"]) else "high_traffic"
        n = normal.filter(pl.col("scenario") == tr)
        i = issues.filter((pl.col("scenario") == f.traffic) & (pl.col("issue") == f.issue))
        calls = calls_of(data / f"graph_{f.traffic}.csv")
        act = {x for c, d in calls.items() for x in (c, *d) if not x.endswith(("_remote", "_client"))}
        ev = run(samples_of(n, i, f.alarm_s), settings_of(calls, act if "noact" not in sys.argv else ()))
        T0 = i["unix_timestamp"].min() * 1000000
        late = [e for e in ev if isinstance(e, Episode) and e.phase == "onset" and e.opened_us >= T0]
        st = [
            e for e in ev if isinstance(e, Storm) and e.opened_us >= T0 and any(m.entity == f.node for m in e.members)
        ]
        print(
            f.traffic,
            f.issue,
            f.metric,
            round(time.time() - t0, 1),
            "episodes",
            sum(isinstance(e, Episode) and e.phase == "opened" for e in ev),
            "storms",
            len({e.storm for e in ev if isinstance(e, Storm)}),
        )
        print("   late:", [(e.entity[:12], (e.opened_us - T0) // 1000000, round(e.severity, 1)) for e in late])
        if st:
            m = st[-1].members
            print(
                "   rank:", [(x.entity[:20], round(x.share, 2), (x.opened_us - T0) // 1000000) for x in m[:4]], len(m)
            )
            hit += m[0].entity == f.cause
        else:
            print("   NO STORM")
    print("top1", hit)
