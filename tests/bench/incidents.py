"""Will an incident keep its SLA? `python -m tests.bench.incidents --data DIR [--train DIR] [--json OUT]`.

Every parquet of a folder holds updates of incidents, one a row. An incident is scored when its first row comes, by what
that row says; whether it kept its SLA (`made_sla` of its last row) is learned when it is closed, and not before.

`closings`: nothing else is learned. `signals`: also when incidents are resolved, and which are still open a day after
their first row; the early signal stands in for the outcome until that is known. `unresolved` and
`unresolved closings`: the scores of `signals` and of `closings`, without the incidents that their first row says are
resolved.

`within_week_auc` is the AUC among the incidents opened in the same ISO week, weighted by their number; weeks in which
all ended alike count nowhere. By the first and the second half of the weeks, too. Over all weeks, the `pooled_auc`
measures the calendar: closings come in waves, and `opened_at` alone does well. Peers hear the same in the same order,
but cannot take back what stood in for an outcome.

`--train`: other incidents to learn from first, not scored. They take their place in time among those of `--data`: where
the two overlap, each label is learned when it became known, so that no score rests on what was not known by then. The
system `trained first` learns all of them beforehand, to the last closing: where the two overlap, that is more than
anybody could have known. Incidents that are in both are those of `--data`.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from tests.bench.incidents_data import Incident, load_incidents
from tests.bench.incidents_desk import AdaGrad, Flyball, Learner, River, scores
from tests.bench.rows import Row, print_table, write_rows

Scores = npt.NDArray[np.float64]
LEARNERS: dict[str, Callable[[], Learner]] = {"flyball": Flyball, "river": River, "adagrad": AdaGrad}


def within_week_auc(incidents: Sequence[Incident], said: Sequence[float] | Scores) -> float:
    """Return the AUC within the week of opening, weighted by the incidents of each; NaN where no week has both ends."""
    weeks: dict[tuple[int, int], list[int]] = {}
    for place, incident in enumerate(incidents):
        weeks.setdefault(incident.week, []).append(place)
    counts, found = [], []
    for places in weeks.values():
        auc = pooled_auc([incidents[place] for place in places], [said[place] for place in places])
        if not np.isnan(auc):
            counts.append(len(places))
            found.append(auc)
    return float(np.average(found, weights=counts)) if found else np.nan


def pooled_auc(incidents: Sequence[Incident], said: Sequence[float] | Scores) -> float:
    """Return the AUC over all; NaN where all ended alike."""
    kept = [incident.kept for incident in incidents]
    return float(roc_auc_score(kept, said)) if len(set(kept)) == 2 else np.nan


def rows_of(case: str, system: str, incidents: Sequence[Incident], said: Sequence[float]) -> list[Row]:
    """Return what scores are worth, over all weeks and by half of them."""
    weeks = sorted({incident.week for incident in incidents})
    later = set(weeks[(len(weeks) + 1) // 2 :])
    halves: dict[str, list[int]] = {"first": [], "second": []}
    for place, incident in enumerate(incidents):
        halves["second" if incident.week in later else "first"].append(place)
    values = {"within_week_auc": within_week_auc(incidents, said), "pooled_auc": pooled_auc(incidents, said)}
    for half, places in halves.items():
        some, theirs = [incidents[place] for place in places], [said[place] for place in places]
        values[f"within_week_auc_{half}_half"] = within_week_auc(some, theirs)
    return [_row(case, system, metric, value, "auc") for metric, value in values.items() if not np.isnan(value)]


def played(
    incidents: Sequence[Incident], training: Sequence[Incident], learner: Learner, *, with_signals: bool
) -> list[float]:
    """Return the scores of the incidents, with those to learn from in their place in time."""
    said = scores([*incidents, *training], learner, with_signals=with_signals)
    return said[: len(incidents)]


def measured(incidents: Sequence[Incident], training: Sequence[Incident]) -> list[Row]:
    """Return what each learner's scores are worth in each case."""
    rows: list[Row] = []
    for system, make in LEARNERS.items():
        closings = played(incidents, training, make(), with_signals=False)
        learner = make()
        signals = played(incidents, training, learner, with_signals=True)
        rows += _cases(system, incidents, closings, signals)
        if isinstance(learner, Flyball):
            rows.append(_row("signals", system, "signal_explained", learner.validity.explained, "fraction"))
            rows.append(_row("signals", system, "signal_drifts", float(learner.drifts), "drifts"))
    return rows


def trained_first(incidents: Sequence[Incident], training: Sequence[Incident]) -> list[Row]:
    """Return what the product's scores are worth after it learned others to the end."""
    found = []
    for with_signals in (False, True):
        learner = Flyball()
        scores(training, learner, with_signals=with_signals)
        found.append(scores(incidents, learner, with_signals=with_signals))
    return _cases("trained first", incidents, *found)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.incidents",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="incidents to learn from that are not scored")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    incidents = load_incidents(arguments.data)
    scored = {incident.number for incident in incidents}
    training = load_incidents(arguments.train) if arguments.train else []
    training = [incident for incident in training if incident.number not in scored]
    rows = measured(incidents, training)
    if training:
        rows += trained_first(incidents, training)
    opened = [(incident.opened - incidents[0].opened).total_seconds() for incident in incidents]
    rows += rows_of("closings", "opened_at", incidents, opened)
    rows += rows_of("closings", "resolved first", incidents, [float(one.is_resolved_first) for one in incidents])
    print_table(rows)
    write_rows(arguments.json, rows)


def _cases(
    system: str, incidents: Sequence[Incident], closings: Sequence[float], signals: Sequence[float]
) -> list[Row]:
    places = [place for place, incident in enumerate(incidents) if not incident.is_resolved_first]
    unresolved = [incidents[place] for place in places]
    return [
        *rows_of("closings", system, incidents, closings),
        *rows_of("signals", system, incidents, signals),
        *rows_of("unresolved", system, unresolved, [signals[place] for place in places]),
        *rows_of("unresolved closings", system, unresolved, [closings[place] for place in places]),
    ]


def _row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    return Row(benchmark="incidents", case=case, system=system, metric=metric, value=value, unit=unit)


if __name__ == "__main__":
    main()
