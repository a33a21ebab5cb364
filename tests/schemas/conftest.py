"""Fixtures of the tests of contracts on a real Kafka."""

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka
from tests.schemas.executors import Site


@pytest.fixture
def site(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Site:
    """Return a loop that runs, with a folder of its own for keys and the memories of executors."""
    site = Site(broker.connection, broker.cluster_id, loop_on_kafka(), tmp_path)
    site.order("running")
    return site
