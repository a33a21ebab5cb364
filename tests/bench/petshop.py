"""PetShop: which component of a web shop to act on, from its telemetry and the graph of who calls whom.

`python -m tests.bench.petshop --data DIR [--seeds N] [--json OUT]`. DIR holds `normal.parquet`, `issues.parquet`,
`targets.json` and a `graph_TRAFFIC.csv` per traffic. Every fault runs through the real processors with a `loop.toml`.
An alarm names a component: the answer is the ranking, among what that depends on, of the last storm told within ten
minutes that has it as a member, what is behind it first; else of all storms and lone episodes, by how much began there.

`recorded` faults may all share one root cause, which a constant answer (printed beside) then always gets: so faults are
also `injected` at other components. Some of them are `unseen`: lost in what is normal there (an availability that is 0
all day cannot fall), told apart by the data alone. `most severe` acts on the component furthest from its normal;
`any node` is the product without the list of what can be acted on, `no graph` without the calls. `published` are
numbers of others, over all faults of the set.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from schemas.events import Episode, Event, Storm
from streams.app import make_decoded_role
from streams.loop.role import Role
from streams.replay import Driver, DriverSettings
from streams.replay.backtest import NEVER_US, RecordedWorld, sample_us
from streams.replay.reading import read_events
from streams.settings import Settings
from streams.settings.read import parse
from tests.bench.petshop_data import (
    S_US,
    SAMPLE_S,
    Calls,
    Fault,
    Run,
    components,
    depends_on,
    injected_runs,
    recorded_runs,
)
from tests.bench.rows import Row, print_table, write_rows

LOOP_TOML = """\
[loop]
name = "bench"

[telemetry]
partitions = 1

[detect]
window = "5m"               # one sample
open_windows = 1            # faults last two or three
open_of = 1
onset_windows = 1
idle = "1h"
gone = "1d"
census = "30d"              # nobody reads it here
floor_relative = 0.001      # availability is close to 100 and hardly moves,
floor_absolute = 0.00001    # latency is in seconds
z_limit = 100.0             # a fault is far beyond what is usual: tell how far

[graph]
window = "12m"              # two samples
actionable = {actionable}

[graph.calls]
{calls}

[policy]
baseline = "restart"
outcome_wait = "16m"

[outcome]
horizon = "15m"             # the least; nothing is done here

[actions.restart]
cost = 0.05
"""
PUBLISHED = {
    "low latency": (0.571, 0.571),
    "low availability": (0.833, 1.0),
    "high latency": (0.571, 0.786),
    "high availability": (0.667, 1.0),
}
"""Top-1 and top-3 of the published notebook, over all faults of the set."""
Ranking = list[str]


def settings_of(calls: Calls, actionable: Sequence[str]) -> Settings:
    """Return the settings of the loop that every run goes through."""
    lines = [f"{json.dumps(caller)} = {json.dumps(callees)}" for caller, callees in calls.items()]
    text = LOOP_TOML.format(calls="\n".join(lines), actionable=json.dumps(actionable))
    return parse(text, name="loop.toml")


def events_of(run: Run, settings: Settings) -> list[Event]:
    """Return what detect and decide wrote, in order of topic and time."""
    driver = Driver(
        settings=DriverSettings(
            loop=settings.loop.name,
            start_us=min(map(sample_us, run.samples)) - 1,
            tick_us=S_US,
            partitions=1,
            executors=0,
            steps_per_snapshot=NEVER_US,
            roles=("detect", "decide"),
        ),
        make_role=partial(_role, settings),
        world=RecordedWorld(run.samples),
    )
    driver.run(telemetry_events=len(run.samples))
    return [event for topic in ("insights", "patterns") for _, event in read_events(driver.log, topic, 0, 0)]


def ranking_of(fault: Fault, events: Iterable[Event], calls: Calls, actionable: Sequence[str]) -> Ranking:
    """Return the product's answer, likeliest first; empty when nothing abnormal has to do with the alarm.

    A storm with the alarmed component in it answers by what is behind that, then by its members' shares. Else what it
    depends on is ranked over all storms, and episodes without one, by how much trouble began there.
    """
    told = [event for event in events if isinstance(event, Storm | Episode) and _in_time(fault, event.time_us)]
    storms = {storm.storm: storm for storm in told if isinstance(storm, Storm) if storm.phase == "open"}
    for storm in sorted(storms.values(), key=lambda storm: -storm.time_us):
        behind = [one.behind for one in storm.members if one.entity == fault.alarmed]
        if behind:
            names = behind + [one.entity for one in storm.members]
            break
    else:
        onsets = (one for one in told if isinstance(one, Episode) and one.phase == "onset")
        alone = (one for one in onsets if not actionable or one.entity in actionable)
        names = _most_trouble(storms.values(), alone)
    concerned = depends_on(fault.alarmed, calls)
    return [name for name in dict.fromkeys(names) if name in concerned]


def _most_trouble(storms: Iterable[Storm], episodes: Iterable[Episode]) -> Ranking:
    """Return entities by the trouble that began there: the share of a storm's, or all of an episode's of its own."""
    trouble = {episode.entity: math.log1p(episode.severity) for episode in episodes}
    for storm in storms:
        whole = sum(math.log1p(member.severity) for member in storm.members)
        trouble |= {member.entity: member.share * whole for member in storm.members}
    return sorted(trouble, key=lambda name: -trouble[name])


def most_severe(fault: Fault, events: Iterable[Event], calls: Calls) -> Ranking:
    """Return the components that can be acted on and left their normal, the furthest first."""
    concerned = depends_on(fault.alarmed, calls) & set(components(calls))
    severities: dict[str, float] = {}
    for event in events:
        if isinstance(event, Episode) and event.entity in concerned and _in_time(fault, event.time_us):
            severities[event.entity] = max(event.severity, severities.get(event.entity, 0.0))
    return sorted(severities, key=lambda name: -severities[name])


def rows_of(kind: str, system: str, answers: Sequence[tuple[Fault, Ranking]]) -> Iterator[Row]:
    """Yield top-1 and top-3 per cell and over all, with n; where there are unseen faults, of those and the others."""
    places: dict[str, list[int]] = {}
    parted = not all(fault.seen for fault, _ in answers)
    for fault, ranking in answers:
        parts = ("", " seen" if fault.seen else " unseen") if parted else ("",)
        for case in (f"{name}{part}" for name in (fault.case, "all") for part in parts):
            places.setdefault(case, []).append(ranking.index(fault.cause) if fault.cause in ranking else 99)
    for case, found in sorted(places.items(), key=lambda item: (item[0].startswith("all"), item[0])):
        for metric, most in (("top1", 1), ("top3", 3)):
            share = sum(place < most for place in found) / len(found)
            yield _row(f"{kind} {case}", system, metric, share, f"share of n = {len(found)}")


def compare(kind: str, runs: Iterable[Run], *, any_node: bool) -> list[Row]:
    """Run the product, and what it is to be compared with, over the same faults."""
    answers: dict[str, list[tuple[Fault, Ranking]]] = {}
    for run in runs:
        known = components(run.calls)
        systems = [("flyball", run.calls, known), ("no graph", {}, known), ("any node", run.calls, [])]
        for system, calls, actionable in systems if any_node else systems[:2]:
            events = events_of(run, settings_of(calls, actionable))
            for fault in run.faults:
                answers.setdefault(system, []).append((fault, ranking_of(fault, events, run.calls, actionable)))
                if system == "flyball":
                    answers.setdefault("most severe", []).append((fault, most_severe(fault, events, run.calls)))
    faults = [fault for fault, _ in answers["flyball"]]
    usual = [name for name, _ in Counter(fault.cause for fault in faults).most_common(3)]
    answers["constant"] = [(fault, usual) for fault in faults]
    return [row for system, found in answers.items() for row in rows_of(kind, system, found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2, help="runs of injected faults per traffic")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = compare("recorded", recorded_runs(arguments.data), any_node=True)
    cases = {row.case for row in rows}
    for cell, shares in PUBLISHED.items():
        if f"recorded {cell}" in cases:
            rows += [
                _row(f"recorded {cell}", "published", metric, share, "share of all faults of the set")
                for metric, share in zip(("top1", "top3"), shares, strict=True)
            ]
    if arguments.seeds:
        rows += compare("injected", injected_runs(arguments.data, seeds=arguments.seeds), any_node=False)
    print_table(rows)
    write_rows(arguments.json, rows)


def _in_time(fault: Fault, time_us: int) -> bool:
    return fault.start_s * S_US <= time_us <= (fault.alarm_s + 2 * SAMPLE_S) * S_US


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="petshop", case=case, system=system, metric=metric, value=value, unit=unit)


def _role(settings: Settings, role: str, partition: int) -> Role:
    return make_decoded_role(settings, role=role, partition=partition)


if __name__ == "__main__":
    main()
