"""Probes and metrics over HTTP on loopback."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from streams.runtime.health import HealthServer
from streams.runtime.metrics import Metrics


@pytest.fixture
def reasons() -> list[str | None]:
    return [None]


@pytest.fixture
def port(reasons: list[str | None]) -> Iterator[int]:
    metrics = Metrics(loop="lab", role="detect")
    metrics.paused(2, "clocks differ")
    server = HealthServer(port=0, metrics=metrics, healthy=lambda: None, ready=lambda: reasons[0])
    server.start()
    yield server.port
    server.stop()


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_worker_that_folds_is_ready(port: int) -> None:
    assert asked(port, "/readyz") == (200, json.dumps({"status": "ok"}))


def test_a_worker_that_does_not_fold_says_why(port: int, reasons: list[str | None]) -> None:
    reasons[0] = "the broker does not answer"
    assert asked(port, "/readyz") == (503, json.dumps({"status": "the broker does not answer"}))
    assert asked(port, "/healthz")[0] == 200


def test_metrics_name_loop_role_and_partition(port: int) -> None:
    status, text = asked(port, "/metrics")
    assert status == 200
    assert 'flyball_paused{partition="2"} 1.0' in text
    assert 'flyball_worker{loop="lab",role="detect"} 1.0' in text


def test_other_paths_are_not_found(port: int) -> None:
    assert asked(port, "/secrets")[0] == 404
