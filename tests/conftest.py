"""Fixtures for everybody: one real Kafka per test run, and loops of one's own on it."""

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from connectors.kafka.admin import apply_topics, delete_topics
from connectors.kafka.launcher import KafkaUnavailable, LocalKafka
from streams.operate.cluster import require_kafka
from tests.schemas.executors import Site

settings.register_profile("shared", deadline=None)  # how long an example takes is no law: machines are shared
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a broker, so that `-m "not kafka"` needs no Java."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()) or "tests/kafka/" in item.nodeid:
            item.add_marker(pytest.mark.kafka)


@functools.cache
def why_no_kafka() -> str | None:
    """Return why no broker can be started here, or None: a machine without network and Java runs everything else."""
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        return str(unavailable)
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a broker where there can be none."""
    if item.get_closest_marker("kafka") and (reason := why_no_kafka()):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Give the one broker of this run, without topics. Tests that stop or kill a broker start their own."""
    with LocalKafka(data=tmp_path_factory.mktemp("kafka")) as kafka:
        kafka.start()
        yield kafka


@pytest.fixture
def loop_name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a loop name that no other test of this run uses: tests share the broker, never a topic."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{name}-{abs(hash(str(tmp_path))) % 10**6}"


@pytest.fixture
def loop_on_kafka(broker: LocalKafka, loop_name: str) -> Iterator[Callable[..., str]]:
    """Give a function that creates the topics of this test's loop (`telemetry=` and `actions=` partitions).

    It returns the loop's name; the topics go when the test ends.
    """

    def make(*, telemetry: int = 1, actions: int = 1) -> str:
        partitions = {"raw": telemetry, "telemetry": telemetry, "actions": actions}
        apply_topics(broker.connection, loop_name, partitions=partitions)
        return loop_name

    yield make
    delete_topics(broker.connection, loop_name)


@pytest.fixture
def site(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Site:
    """Return a loop that runs, with a folder of its own for keys and the memories of executors."""
    site = Site(broker.connection, broker.cluster_id, loop_on_kafka(), tmp_path)
    site.order("running")
    return site
