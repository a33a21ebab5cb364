"""What the incident benchmark reads, hears and counts, on made-up incidents: nothing before its time."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.bench.incidents import played, within_week_auc
from tests.bench.incidents_data import FIELDS, Incident, incidents_of, load_incidents
from tests.bench.incidents_desk import AdaGrad, Flyball, Learner, River, scores

START = datetime.fromisoformat("2016-02-29")
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]
LEARNERS = (Flyball, River, AdaGrad)
Play = Callable[[Sequence[Incident]], list[float]]


def rows(count: int, *, seed: int = 0) -> pl.DataFrame:
    """Return the updates of incidents over four weeks: team 0 resolves within hours, team 3 within days, and the SLA is
    kept by what is resolved within a day. Closings come days later, or all at once in the third week.
    """
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        team = int(rng.integers(4))
        opened = START + timedelta(minutes=int(rng.integers(28 * 24 * 60)))
        resolved = opened + timedelta(hours=float(rng.exponential((4, 12, 40, 120)[team])))
        closed = max(resolved + 2 * DAY, START + 15 * DAY)
        found += _updates(number, team, opened, resolved, closed)
    return pl.DataFrame(found)


def _updates(number: int, team: int, opened: datetime, resolved: datetime, closed: datetime) -> list[dict[str, object]]:
    kept = resolved < opened + DAY
    same = dict.fromkeys(FIELDS, "?") | {
        "number": number, "opened_at": opened, "assignment_group": f"g{team}", "closed_at": closed,
        "resolved_at": resolved, "resolved_by": f"r{kept}", "closed_code": f"c{kept}", "caused_by": "?",
    }  # fmt: skip
    known = opened + timedelta(minutes=7)
    states = [("New", known, True), ("Resolved", max(resolved, known), True), ("Closed", closed, kept)]
    states = states[number % 9 == 0 and resolved < known :]  # some are resolved when they are first written down
    return [same | {"ident_state": state, "sys_updated_at": at, "made_sla": sla} for state, at, sla in states]


def play(make: type[Learner], *, with_signals: bool = True) -> Play:
    return lambda incidents: scores(incidents, make(), with_signals=with_signals)


def check_that_only_the_past_counts(play: Play, incidents: Sequence[Incident]) -> None:
    """Change all that becomes known from a time on, and see that no score up to then changes, but one afterwards."""
    before = play(incidents)
    for days in (10, 16, 20):
        time = START + days * DAY
        for changed in (_turned(incidents, time), _delayed(incidents, time), _open_for_longer(incidents, time)):
            after = play(changed)
            early = [place for place, incident in enumerate(incidents) if incident.known <= time]
            assert [after[place] for place in early] == [before[place] for place in early]
    assert play(_turned(incidents, START + 16 * DAY)) != before


def _turned(incidents: Sequence[Incident], time: datetime) -> list[Incident]:
    """Let what is closed from a time on end the other way."""
    return [dataclasses.replace(one, kept=one.kept != (one.closed >= time)) for one in incidents]


def _delayed(incidents: Sequence[Incident], time: datetime) -> list[Incident]:
    return [dataclasses.replace(one, closed=one.closed + (one.closed >= time) * 30 * DAY) for one in incidents]


def _open_for_longer(incidents: Sequence[Incident], time: datetime) -> list[Incident]:
    """Let what is resolved from a time on, be it known before, be so a week later."""
    late = [one.resolved >= time and one.resolved > one.known for one in incidents]
    return [
        dataclasses.replace(one, resolved=one.resolved + is_late * 7 * DAY, closed=one.closed + is_late * 7 * DAY)
        for one, is_late in zip(incidents, late, strict=True)
    ]


@pytest.mark.parametrize("with_signals", [False, True])
@pytest.mark.parametrize("make", LEARNERS)
def test_no_label_is_used_before_it_was_known(make: type[Learner], with_signals: bool) -> None:
    check_that_only_the_past_counts(play(make, with_signals=with_signals), incidents_of(rows(300)))


def _closed_at_once(incidents: Sequence[Incident]) -> list[float]:
    return play(Flyball)([dataclasses.replace(one, closed=one.known) for one in incidents])


def _closed_hours_early(incidents: Sequence[Incident]) -> list[float]:
    return play(Flyball)([dataclasses.replace(one, closed=one.closed - DAY / 8) for one in incidents])


def _resolved_hours_early(incidents: Sequence[Incident]) -> list[float]:
    sooner = [max(one.resolved - DAY / 4, one.known) for one in incidents]
    return play(Flyball)([dataclasses.replace(one, resolved=at) for one, at in zip(incidents, sooner, strict=True)])


@pytest.mark.parametrize("peek", [_closed_at_once, _closed_hours_early, _resolved_hours_early])
def test_who_peeks_is_found_out(peek: Play) -> None:
    with pytest.raises(AssertionError):
        check_that_only_the_past_counts(peek, incidents_of(rows(300)))


def test_what_is_known_in_the_same_minute_is_heard_after_the_score() -> None:
    incidents = incidents_of(rows(300))
    last = incidents[-1]
    at_once = [dataclasses.replace(one, closed=min(one.closed, last.known)) for one in incidents]
    turned = [dataclasses.replace(one, kept=one.kept != (one.closed == last.known)) for one in at_once]
    assert play(Flyball)(turned)[-1] == play(Flyball)(at_once)[-1]


def test_what_is_filled_back_into_first_rows_is_not_read() -> None:
    table = rows(200)
    filled = table.with_columns(
        resolved_at=pl.col("opened_at"), resolved_by=pl.lit("x"), closed_code=pl.lit("x"), caused_by=pl.lit("x"),
        made_sla=pl.col("made_sla") & (pl.col("ident_state") == "Closed"),
    )  # fmt: skip
    later = pl.col("ident_state") != "New"
    filled = filled.with_columns(location=pl.when(later).then(pl.lit("y")).otherwise(pl.col("location")))
    kept = [number for number, one in enumerate(incidents_of(table)) if not one.is_resolved_first]
    before, after = incidents_of(table), incidents_of(filled)
    assert [after[place] for place in kept] == [before[place] for place in kept]
    moved = incidents_of(table.with_columns(closed_at=pl.col("closed_at") + DAY))
    assert [one.x for one in moved] == [one.x for one in before]


def test_the_order_of_the_table_does_not_matter() -> None:
    table = rows(200)
    assert incidents_of(table.sort("sys_updated_at", descending=True, maintain_order=True)) == incidents_of(table)


@pytest.mark.parametrize("make", LEARNERS)
def test_of_an_incident_that_is_closed_no_signal_is_heard(make: type[Learner]) -> None:
    incidents = incidents_of(rows(60))
    closed = [dataclasses.replace(one, closed=one.known + DAY / 24, resolved=one.known + 2 * DAY) for one in incidents]
    assert play(make)(closed) == play(make, with_signals=False)(closed)


def test_it_learns_from_closings_and_sooner_from_signals() -> None:
    incidents = incidents_of(rows(800))
    late, soon = (within_week_auc(incidents, play(Flyball, with_signals=on)(incidents)) for on in (False, True))
    assert 0.6 < late < soon - 0.05


def test_others_to_learn_from_take_their_place_in_time() -> None:
    incidents, others = incidents_of(rows(200)), incidents_of(rows(400, seed=1))
    others = [dataclasses.replace(one, number=one.number + 1_000) for one in others]
    alone = played(incidents, [], Flyball(), with_signals=False)
    with_others = played(incidents, others, Flyball(), with_signals=False)
    first = min(one.closed for one in others)
    early = [place for place, one in enumerate(incidents) if one.known <= first]
    assert len(early) > 50
    assert [with_others[place] for place in early] == [alone[place] for place in early]
    assert with_others[-20:] != alone[-20:]


def test_the_auc_is_taken_within_weeks_and_weighed_by_their_incidents() -> None:
    one = incidents_of(rows(1))[0]
    found = [
        dataclasses.replace(one, opened=START + days * DAY, kept=kept)
        for days, kept in ((0, True), (1, False), (7, True), (8, False), (8, False), (9, False), (14, True))
    ]
    assert within_week_auc(found, [0.1, 0.2, 0.9, 0.3, 0.5, 0.7, 0.0]) == pytest.approx(4 / 6)
    assert np.isnan(within_week_auc(found[:1], [0.5]))


def test_a_folder_without_incidents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold a parquet of incident rows"):
        load_incidents(tmp_path)


def test_the_command_scores_every_parquet_of_a_folder(tmp_path: Path) -> None:
    table, out = rows(240), tmp_path / "out.json"
    for name, some in (("data", table), ("train", rows(300, seed=1))):
        (tmp_path / name).mkdir()
        for part in range(2):
            some.filter(pl.col("number") % 2 == part).write_parquet(tmp_path / name / f"{part}.parquet")
    places = ["--data", str(tmp_path / "data"), "--train", str(tmp_path / "train"), "--json", str(out)]
    command = [sys.executable, "-m", "tests.bench.incidents", *places]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {(row["case"], row["system"], row["metric"]) for row in json.loads(out.read_text())}
    for case in ("closings", "signals", "unresolved", "unresolved closings"):
        for system in ("flyball", "river", "adagrad", "trained first"):
            assert (case, system, "within_week_auc") in found
    assert ("closings", "opened_at", "pooled_auc") in found
    assert "within_week_auc" in said
