"""What the PetShop benchmark asks and counts, on a shop of four components."""

from pathlib import Path

import polars as pl
import pytest

from schemas.events import Episode, Event, Storm, StormMember
from tests.bench.petshop import ranking_of, rows_of
from tests.bench.petshop_data import Fault, components, depends_on, injected_runs, read_calls

CALLS = {"site": ("search", "cart"), "search": ("table", "table_remote")}
NAMES = ("cart", "search", "site", "table")
FAULT = Fault(case="low latency", start_s=600, alarm_s=900, alarmed="site", cause="search")


def storm(time_s: int, *entities: str, behind: str = "", name: str = "s", severity: float = 1.0) -> Storm:
    members = tuple(
        StormMember(entity=one, episode=one, share=0.5, behind=behind or one, opened_us=0, severity=severity)
        for one in entities
    )
    return Storm(
        id=f"{time_s}", time_us=time_s * 1_000_000, storm=name, phase="open", opened_us=0, size=2, calls="declared",
        members=members,
    )  # fmt: skip


def alone(time_s: int, entity: str, severity: float) -> Episode:
    return Episode(
        id=entity, time_us=time_s * 1_000_000, episode=entity, entity=entity, phase="onset", opened_us=0, windows=1,
        severity=severity, confidence=1.0,
    )  # fmt: skip


def test_the_matrix_is_read_as_rows_that_call_columns(tmp_path: Path) -> None:
    (tmp_path / "graph.csv").write_text(",site,search\nsite,0.0,1.0\nsearch,0.0,0.0\n")
    assert read_calls(tmp_path / "graph.csv") == {"site": ("search",)}


def test_views_of_components_are_none() -> None:
    assert components(CALLS) == list(NAMES)
    assert depends_on("search", CALLS) == {"search", "table", "table_remote"}


@pytest.mark.parametrize(
    ("told", "ranking"),
    [
        ([storm(1_000, "search", "site", behind="search")], ["search", "site"]),
        ([storm(1_000, "search", "table", "site", behind="table")], ["table", "search", "site"]),
        ([storm(1_000, "search", "site"), storm(1_400, "site", "search")], ["site", "search"]),
        ([storm(1_000, "site", "mail")], ["site"]),
        ([storm(1_000, "table", "search")], ["table", "search"]),
        ([storm(1_000, "table", "mail"), storm(1_400, "search", "mail", name="t", severity=9.0)], ["search", "table"]),
        ([storm(1_000, "table", "search"), alone(1_000, "cart", 50.0)], ["cart", "table", "search"]),
        ([alone(1_000, "table_remote", 50.0), alone(1_000, "mail", 90.0), alone(400, "cart", 50.0)], []),
        ([storm(1_000, "site", "search"), storm(1_000, "cart", "table", name="t")], ["site", "search"]),
        ([storm(500, "search", "site"), storm(1_501, "search", "site"), storm(1_000, "mail", "queue")], []),
    ],
    ids=[
        "with the alarm", "what is behind it first", "the last word", "what it depends on", "only beside it",
        "the most trouble", "worst alone", "no component, no concern, too early", "with it first", "too early, late",
    ],
)  # fmt: skip
def test_the_answer_is_the_last_storm_with_the_alarm_else_all_that_concerns_it(
    told: list[Event], ranking: list[str]
) -> None:
    assert ranking_of(FAULT, told, CALLS, NAMES) == ranking


def test_shares_are_counted_per_case_and_over_all() -> None:
    other = Fault(case="high latency", start_s=0, alarm_s=0, alarmed="site", cause="table")
    rows = rows_of("recorded", "flyball", [(FAULT, ["search"]), (other, ["a", "table"]), (other, [])])
    assert {(row.case, row.metric): row.value for row in rows} == {
        ("recorded low latency", "top1"): 1.0, ("recorded low latency", "top3"): 1.0,
        ("recorded high latency", "top1"): 0.0, ("recorded high latency", "top3"): 0.5,
        ("recorded all", "top1"): pytest.approx(1 / 3), ("recorded all", "top3"): pytest.approx(2 / 3),
    }  # fmt: skip


def test_faults_that_nobody_could_see_are_counted_apart() -> None:
    unseen = Fault(case="low latency", start_s=0, alarm_s=0, alarmed="site", cause="table", seen=False)
    rows = rows_of("injected", "flyball", [(FAULT, ["search"]), (unseen, [])])
    assert {row.case: row.value for row in rows if row.metric == "top1"} == {
        "injected low latency": 0.5, "injected low latency seen": 1.0, "injected low latency unseen": 0.0,
        "injected all": 0.5, "injected all seen": 1.0, "injected all unseen": 0.0,
    }  # fmt: skip


def test_injected_faults_reach_callers_by_their_share_of_requests(tmp_path: Path) -> None:
    matrix = [[float(callee in CALLS.get(caller, ())) for callee in NAMES] for caller in NAMES]
    lines = [f"{caller},{','.join(map(str, row))}" for caller, row in zip(NAMES, matrix, strict=True)]
    (tmp_path / "graph_low_traffic.csv").write_text("\n".join([f",{','.join(NAMES)}", *lines]) + "\n")
    loads = {"site": 100.0, "search": 50.0, "cart": 25.0, "table": 50.0}
    values = {"latency": ("Average", 1.0), "availability": ("Average", 100.0)}
    normal = [
        ("low_traffic", 300 * time, name, metric, statistic, value)
        for time in range(260)
        for name in NAMES
        for metric, (statistic, value) in ({**values, "requests": ("Sum", loads[name])}).items()
    ]
    columns = ["scenario", "unix_timestamp", "node", "metric", "statistic", "value"]
    pl.DataFrame(normal, schema=columns, orient="row").write_parquet(tmp_path / "normal.parquet")
    (run,) = injected_runs(tmp_path, seeds=1)
    assert len(run.faults) == 2
    for fault in run.faults:
        at_once = {one.entity: one.values for one in run.samples if one.time == fault.start_s * 1_000_000}
        metric = "latency_Average" if fault.case == "low latency" else "availability_Average"
        normally = 1.0 if fault.case == "low latency" else 100.0
        whole = at_once[fault.cause][metric] - normally
        assert abs(whole) >= 1
        share = min(loads[fault.cause] / loads["site"], 1.0)
        assert at_once["site"][metric] - normally == pytest.approx(share * whole)
        assert fault.alarmed == "site"
        assert fault.seen
