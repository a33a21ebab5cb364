"""What a worker's steps add up to in its metrics."""

from schemas.raw import RawBatch
from streams.loop.decode import make_decode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.step import take_step
from streams.runtime.metrics import Metrics

START_US = 1_790_000_000_000_000


def step_of(role: Role, second: int, first: int, rows: list[tuple[str, int]], metrics: Metrics) -> None:
    values = [
        f'{{"entity":"{entity}","time":{START_US + at * 1_000_000},"values":{{"load":1.0}}}}'.encode()
        for entity, at in rows
    ]
    raw = RawBatch(
        topic="telemetry",
        partition=0,
        offsets=range(first, first + len(rows)),
        keys=[None] * len(rows),
        values=values,
        headers=[()] * len(rows),
    )
    now_us = START_US + second * 1_000_000
    metrics.step(0, take_step(role, [raw], Now(now_us, now_us), loop="lab"), fold_s=0.0)


def test_rows_left_out_are_counted_by_reason_over_all_steps() -> None:
    detect = Detect(DetectSettings(window_us=1_000_000, entity_limit=1), loop="lab", partition=0, seed=1)
    role = Role(name="detect", loop="lab", processors=[detect], decode=make_decode())
    metrics = Metrics(loop="lab", role="detect")
    step_of(role, 9, 0, [("a", 1), ("a", 8), ("a", 2), ("b", 8)], metrics)
    step_of(role, 10, 4, [("b", 9), ("c", 9), ("a", 9)], metrics)
    text = metrics.exposition().decode()
    assert 'flyball_rows_left_out_total{reason="late"} 1.0' in text
    assert 'flyball_rows_left_out_total{reason="entity_limit"} 3.0' in text
    assert 'reason="duplicates"' not in text


def test_rows_that_came_late_are_left_out_once_and_what_became_of_them_is_told_apart() -> None:
    settings = DetectSettings(window_us=1_000_000, letter_limit=2, letter_bytes=100)
    detect = Detect(settings, loop="lab", partition=0, seed=1)
    role = Role(name="detect", loop="lab", processors=[detect], decode=make_decode())
    metrics = Metrics(loop="lab", role="detect")
    step_of(role, 9, 0, [("a", 8), ("a", 1), ("a" * 40, 8), ("a" * 40, 1), ("a", 2), ("a", 3)], metrics)
    lines = metrics.exposition().decode().splitlines()
    assert [line for line in lines if line.startswith("flyball_rows_left_out_total")] == [
        'flyball_rows_left_out_total{reason="late"} 4.0'
    ]
    assert sorted(line for line in lines if line.startswith("flyball_late_rows_total")) == [
        'flyball_late_rows_total{fate="letter"} 1.0',
        'flyball_late_rows_total{fate="letter_bytes"} 3.0',
    ]
