"""Are recurring patterns found and told apart? The real detect and recognise over telemetry of which all is known.

`python -m tests.bench.patterns --seeds 20 --json out.json`. Per case: Flyball, river's DBSTREAM, k-means told k, the
true templates and every episode by itself, on the same detected onsets; the mean over seeds, and the worst seed.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from time import perf_counter

from schemas.events import NOVEL, Episode, Event, Pattern, Recurrence
from streams.operate.offline import role_factory
from streams.replay import Driver, DriverSettings
from streams.replay.reading import read_events
from streams.settings import parse
from tests.bench.pattern_peers import dbstream, each_its_own, k_means, true_templates
from tests.bench.pattern_score import Detected, Matching, grouping_scores, match, recall_third
from tests.bench.pattern_world import SECOND_US, VARIANTS, PatternWorld, Variant
from tests.bench.rows import Row, print_table, write_rows

LOOP_TOML = """
[loop]
name = "patterns"

[actions.restart]
"""
"""Everything else is at its default; an action has to be declared, and nobody takes it."""
NEVER = 1 << 62
UNITS = {"named_patterns": "patterns", "false_episodes": "episodes", "seconds": "s"}
LOWEST = ("unrelated_named",)
"""Metrics of which the worst is the highest."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seed of one case: system to metric to value."""

    seed: int
    scores: dict[str, dict[str, float]]


def run_seed(seed: int, *, variant: Variant) -> Run:
    """Run the loop over one seed's telemetry and score what it made of it."""
    began = perf_counter()
    settings = parse(LOOP_TOML, name="loop.toml")
    driver_settings = DriverSettings(
        loop=settings.loop.name,
        seed=seed,
        tick_us=SECOND_US,
        roles=("detect", "decide"),
        partitions=1,
        executors=0,
        settings_hash=settings.settings_hash,
        steps_per_snapshot=NEVER,
    )
    world = PatternWorld(variant, seed=seed, start_us=driver_settings.start_us)
    driver = Driver(settings=driver_settings, make_role=role_factory(settings), world=world)
    driver.run(telemetry_events=world.samples)
    events = [event for topic in ("insights", "patterns") for _, event in read_events(driver.log, topic, 0, 0)]
    scores = _scores(world, events, seed)
    scores["flyball"]["seconds"] = perf_counter() - began
    return Run(seed, scores)


def _scores(world: PatternWorld, events: Sequence[Event], seed: int) -> dict[str, dict[str, float]]:
    onsets = [event for event in events if isinstance(event, Episode) and event.phase == "onset"]
    matching = match(world.episodes, _detected(world, onsets, events))
    heirs = _Heirs([event for event in events if isinstance(event, Pattern)])
    recurrences = {event.episode: event for event in events if isinstance(event, Recurrence)}
    labels = [heirs.label(recurrences[onset.episode]) for onset in onsets]
    groupings = {
        "flyball": labels,
        "true templates": true_templates(onsets, world.templates, matching.truth),
        "DBSTREAM": dbstream(onsets),
        "k-means": k_means(onsets, seed=seed),
        "each its own": each_its_own(onsets),
    }
    scores = {system: grouping_scores(matching, found) for system, found in groupings.items()}
    scores["flyball"] |= {
        "recall_third": _recall(world, matching, onsets, labels=labels, recurrences=recurrences, heirs=heirs),
        "episodes_found": matching.found,
        "false_episodes": float(matching.false),
    }
    return scores


class _Heirs:
    """What every pattern, and every episode of one that split, is called in the end."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._alias = {event.pattern: event.alias_of for event in patterns if event.alias_of is not None}
        first = {event.pattern: event for event in reversed(patterns) if event.split_from is not None}
        self._moved = {
            episode: event.pattern
            for event in sorted(first.values(), key=lambda event: event.time_us)
            for episode in event.episodes
        }

    def name(self, pattern: str) -> str:
        """Return what a pattern is called in the end."""
        while pattern in self._alias:
            pattern = self._alias[pattern]
        return pattern

    def label(self, recurrence: Recurrence) -> str:
        """Return the pattern, named or not yet, that an episode is counted with."""
        return self.name(self._moved.get(recurrence.episode, recurrence.candidate))


def _detected(world: PatternWorld, onsets: Sequence[Episode], events: Sequence[Event]) -> list[Detected]:
    closed = {event.episode: event for event in events if isinstance(event, Episode) and event.phase == "closed"}
    detected = []
    for onset in onsets:
        end = closed.get(onset.episode)
        stop_us = end.closed_us if end is not None and end.closed_us is not None else None
        detected.append(
            Detected(
                episode=onset.episode,
                entity=int(onset.entity.rpartition("-")[2]),
                start=world.window_at(onset.opened_us),
                stop=world.windows if stop_us is None else world.window_at(stop_us),
            )
        )
    return detected


def _recall(
    world: PatternWorld,
    matching: Matching,
    onsets: Sequence[Episode],
    *,
    labels: Sequence[str],
    recurrences: dict[str, Recurrence],
    heirs: _Heirs,
) -> float:
    recognised = {}
    for place, onset in enumerate(onsets):
        recurrence = recurrences[onset.episode]
        if recurrence.pattern != NOVEL:
            recognised[place] = heirs.name(recurrence.pattern), world.window_at(recurrence.time_us)
    return recall_third(world.episodes, matching, labels, recognised)


def rows_of(case: str, runs: Sequence[Run]) -> list[Row]:
    """Return mean and worst over seeds of every system and metric."""
    rows = []
    for system, metrics in runs[0].scores.items():
        for metric in metrics:
            values = [run.scores[system][metric] for run in runs]
            worst = max(values) if metric in LOWEST else min(values)
            unit = UNITS.get(metric, "share")
            names = [(metric, fmean(values))]
            names += [] if metric in UNITS else [(f"{metric}_worst", worst)]
            rows += [
                Row(benchmark="patterns", case=case, system=system, metric=name, value=value, unit=unit)
                for name, value in names
            ]
    best = [run.scores["true templates"]["ari"] for run in runs]
    ratio = fmean(run.scores["flyball"]["ari"] for run in runs) / fmean(best)
    rows.append(
        Row(benchmark="patterns", case=case, system="flyball", metric="ari_over_templates", value=ratio, unit="ratio")
    )
    return rows


def main() -> None:
    """Run the seeds of every case and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.patterns", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--start", type=int, default=0, help="the first seed; those from 1000 on are for building")
    parser.add_argument("--case", choices=sorted(VARIANTS), action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[Row] = []
    seeds = range(arguments.start, arguments.start + arguments.seeds)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for case in arguments.case or list(VARIANTS):
            rows += rows_of(case, list(pool.map(partial(run_seed, variant=VARIANTS[case]), seeds)))
    print_table(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
