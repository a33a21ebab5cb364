"""The launcher on real brokers: data survives, crashes are crashes, and nothing outlives its owner."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from connectors.kafka.admin import apply_topics, cluster_id, describe
from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.kafka import make_admin, make_consumer, make_producer, range_of
from tests.patience import PATIENCE_S, eventually

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def _kafka_can_be_had(broker: LocalKafka) -> None:
    """Skip, with the reason that the shared broker gives, where no broker can run."""


def write(connection: KafkaConnection, topic: str) -> None:
    producer = make_producer(connection)
    producer.produce(topic, b"{}")
    assert producer.flush(PATIENCE_S) == 0


def records(connection: KafkaConnection, topic: str) -> int:
    """Return how many records there are."""
    consumer = make_consumer(connection, group="count")
    try:
        return range_of(consumer, topic, 0)[1]
    finally:
        consumer.close()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_cluster_keeps_its_data_and_identity_through_stop_start_and_crash(tmp_path: Path) -> None:
    with LocalKafka(data=tmp_path) as kafka:
        apply_topics(kafka.connection, "kept")
        write(kafka.connection, "kept.control")
        first, address, pids = kafka.cluster_id, kafka.bootstrap, list(kafka.pids.values())
        assert cluster_id(kafka.connection) == first
    assert all(gone(pid) for pid in pids)
    with LocalKafka(data=tmp_path) as kafka:
        assert (kafka.cluster_id, kafka.bootstrap) == (first, address)
        assert records(kafka.connection, "kept.control") == 1
        kafka.kill(1)
        assert kafka.pids == {}
        kafka.restart(1)
        assert records(kafka.connection, "kept.control") == 1
        write(kafka.connection, "kept.control")
        assert records(kafka.connection, "kept.control") == 2
        pid = kafka.pids[1]
        os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)  # its guardian: nothing may outlive that one either
        eventually(lambda: gone(pid))


def test_no_broker_outlives_an_owner_that_is_killed_and_its_folder_is_free_again(tmp_path: Path) -> None:
    owner, pids = run_module(tmp_path)
    owner.kill()
    owner.communicate()
    eventually(lambda: all(gone(pid) for pid in pids))
    owner, pids = run_module(tmp_path)
    owner.send_signal(signal.SIGINT)
    owner.communicate()
    assert owner.returncode == 0
    assert all(gone(pid) for pid in pids)


def run_module(data: Path) -> tuple["subprocess.Popen[str]", list[int]]:
    """Run `python -m connectors.kafka` until it says where it is; returns it and its brokers' process ids."""
    command = [sys.executable, "-m", "connectors.kafka", "--data", str(data)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    line = program.stdout.readline()
    assert cluster_id(KafkaConnection(bootstrap=line.split(" at ")[1].split(",")[0]))
    brokers = [p.pid for p in psutil.Process(program.pid).children(recursive=True) if "java" in p.name()]
    assert len(brokers) == 1
    return program, brokers


def test_three_brokers_replicate_and_survive_the_crash_of_one(tmp_path: Path) -> None:
    with LocalKafka(data=tmp_path, brokers=3) as kafka:
        assert len(kafka.pids) == 3
        apply_topics(kafka.connection, "three", replication=3)
        # of three brokers, the one that is asked may hear of what is new a little later than the others
        eventually(lambda: {state.replication for state in describe(kafka.connection, "three")} == {3})
        write(kafka.connection, "three.control")
        kafka.kill(2)
        write(kafka.connection, "three.control")
        kafka.restart(2)
        eventually(lambda: len(make_admin(kafka.connection).list_topics(timeout=PATIENCE_S).brokers) == 3)
        pids = list(kafka.pids.values())
    assert all(gone(pid) for pid in pids)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"{port} is taken"):
            LocalKafka(data=tmp_path, ports=[port]).start()


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    kafka = LocalKafka(data=tmp_path, overrides={"log.retention.ms": "many"})
    with pytest.raises(BrokerError, match=r"log\.retention\.ms"):
        kafka.start()
    assert kafka.pids == {}


def test_a_folder_in_the_way_is_a_broker_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BrokerError, match="expected a writable folder"):
        LocalKafka(data=tmp_path / "file" / "data").start()
