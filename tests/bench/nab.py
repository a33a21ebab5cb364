"""NAB: the product's own alerts on labelled series, by the published score, beside trivial baselines and peers.

`python -m tests.bench.nab --data DIR [--json OUT]`. DIR holds `series.parquet` and `windows.json`; the scorer is a
Python file with `score` and `spans_of` (`--scorer`). Every series runs by itself through the real processors with a
`loop.toml` at its defaults and one-sample windows: an alert is the opening of an episode. Peers are scored at the
threshold that suits them best in hindsight, the product at its own. `split_mean`: the stated rate is chosen on one half
of the series and scored on the other, over 100 fixed random halves.
"""

import argparse
import importlib.util
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl

from tests.bench import nab_baselines as peers
from tests.bench.rows import Row, print_table, write_rows
from tests.bench.series import Floats, Ints, flags_of, opened_rows, settings_of

DEFAULT = ""
CANDIDATES = {"default": DEFAULT, "2/day": 'false_alarms = "2/day"', "1/2d": 'false_alarms = "1/2d"'}
"""What may be chosen on a half: the rate that a user would state."""
SPLITS = 100
PROFILES = {"standard": "standard", "low_fp": "reward_low_FP_rate", "low_fn": "reward_low_FN_rate"}
Scores = dict[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One labelled series: times as the labels spell them, and in us since the epoch."""

    name: str
    labels: list[str]
    times_us: Ints
    values: Floats


class Judge:
    """The published score over some of the series."""

    def __init__(self, scorer: Path, series: Sequence[Series], windows: Mapping[str, list[tuple[str, str]]]) -> None:
        self._scorer = _module(scorer)
        self._windows = windows
        self._labels = {one.name: one.labels for one in series}
        self._spans = {one.name: self._scorer.spans_of(one.labels, windows[one.name]) for one in series}

    def score(
        self, scores: Scores, names: Sequence[str], profile: str = "standard", threshold: float | None = 0.5
    ) -> tuple[float, int]:
        """Return the normalised score, and the rows above the threshold (None: the best) that lie outside windows."""
        results = {name: (self._labels[name], scores[name]) for name in names}
        value, _, counts = self._scorer.score(
            results, self._windows, profile=profile, threshold=threshold, spans=self._spans
        )
        return float(value), int(counts["fp_rows"])


def load_series(data: Path) -> list[Series]:
    """Return the series of a folder, by name."""
    frame = pl.read_parquet(data / "series.parquet")
    return [
        Series(
            name=str(name),
            labels=part["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list(),
            times_us=part["timestamp"].dt.epoch("us").to_numpy(),
            values=part["value"].to_numpy(),
        )
        for (name,), part in sorted(frame.group_by("series", maintain_order=True))
    ]


def alerts_of(series: Series, more: str) -> Floats:
    """Return 1 at the rows at which the product opens an episode."""
    return flags_of(opened_rows(series.times_us, series.values, settings_of(more)), len(series.values))


def product_alerts(all_series: Sequence[Series], more: str, workers: int) -> Scores:
    """Return the product's alerts on every series."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = pool.map(partial(alerts_of, more=more), all_series)
        return {series.name: flags for series, flags in zip(all_series, found, strict=True)}


def peer_scores(all_series: Sequence[Series]) -> dict[str, tuple[Scores, float | None]]:
    """Return the scores of every peer, and the threshold to hold them to (None: the best in hindsight)."""
    detect = settings_of().detect
    rng = np.random.default_rng(1)
    gaussian = {one.name: peers.gaussian_tail(one.values) for one in all_series}
    return {
        "every 400 rows": ({one.name: peers.every_400_rows(one.values) for one in all_series}, 0.5),
        "random": (
            {one.name: peers.random_through_our_alert_layer(one.times_us, detect, rng) for one in all_series},
            0.5,
        ),
        "gaussian tail": (gaussian, None),
        "same, suppressed": ({name: peers.suppressed(scores) for name, scores in gaussian.items()}, None),
        "river hst": ({one.name: peers.half_space_trees(one.values) for one in all_series}, None),
    }


def split_rows(judge: Judge, candidates: Mapping[str, Scores], names: Sequence[str]) -> list[Row]:
    """Choose a candidate on one half of the series and score it on the other, 100 times."""
    rng = np.random.default_rng(0)
    scored: list[float] = []
    for _ in range(SPLITS):
        order = rng.permutation(len(names))
        halves = [[names[index] for index in sorted(part.tolist())] for part in np.array_split(order, 2)]
        best = max(candidates, key=lambda name: judge.score(candidates[name], halves[0])[0])
        scored.append(judge.score(candidates[best], halves[1])[0])
    best_of_all = max(judge.score(scores, names)[0] for scores in candidates.values())
    mean = float(np.mean(scored))
    return [_row("flyball", "split_mean", mean), _row("flyball", "hindsight_less_split", best_of_all - mean)]


def rows_of(judge: Judge, system: str, scores: Scores, threshold: float | None = 0.5) -> list[Row]:
    """Return the metrics of one system over all series."""
    names = list(scores)
    rows = [
        _row(system, metric, judge.score(scores, names, profile, threshold)[0]) for metric, profile in PROFILES.items()
    ]
    rows.append(_row(system, "fp_rows", judge.score(scores, names, "standard", threshold)[1], "rows"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, help="default: tools/nab_score.py beside the data's parent folder")
    parser.add_argument("--workers", type=int, default=1, help="processes; the numbers do not depend on it")
    parser.add_argument("--no-splits", action="store_true", help="run the default alone, a third of the time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    all_series = load_series(arguments.data)
    windows = json.loads((arguments.data / "windows.json").read_text())
    scorer = arguments.scorer or arguments.data.resolve().parent.parent / "tools" / "nab_score.py"
    judge = Judge(scorer, all_series, windows)
    names = [one.name for one in all_series]
    chosen = {"default": DEFAULT} if arguments.no_splits else CANDIDATES
    candidates = {name: product_alerts(all_series, more, arguments.workers) for name, more in chosen.items()}
    rows = rows_of(judge, "flyball", candidates["default"])
    if not arguments.no_splits:
        rows += split_rows(judge, candidates, names)
    for system, (scores, threshold) in peer_scores(all_series).items():
        rows += rows_of(judge, system, scores, threshold)
    print_table(rows)
    write_rows(arguments.json, rows)


def _row(system: str, metric: str, value: float, unit: str = "points") -> Row:
    return Row(benchmark="nab", case="all series", system=system, metric=metric, value=value, unit=unit)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("nab_score", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
