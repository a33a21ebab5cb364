"""The worker as a process: what it says, when it is ready, how it stops, and what it does without a broker."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from connectors.kafka.launcher import LocalKafka
from connectors.kafka.ports import free_ports
from schemas.events import Presence
from streams.runtime.assignor import CopartitionAssignor
from streams.runtime.exits import CRASHED
from tests.kafka.log import KafkaLog
from tests.kafka.processes import ROOT, Feeder
from tests.kafka.subject import Subject, spec_of
from tests.patience import PATIENCE_S, eventually


@contextmanager
def running(subject: Subject, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    told = msgspec.json.encode(subject).decode()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.subject", told], stdout=output, stderr=output, cwd=ROOT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def asked(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def presence(broker: LocalKafka, loop: str) -> list[Presence]:
    return [event for event in KafkaLog(broker.connection, loop).events("presence") if isinstance(event, Presence)]


def stopped_within(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds)


def test_without_a_broker_it_says_so_in_one_clear_line_each_time_and_waits(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    log = tmp_path / "log"
    subject = Subject(loop="lab", bootstrap=f"127.0.0.1:{port}", instance="w0", data=str(tmp_path))
    with running(subject, log) as process:
        eventually(lambda: log.read_text().count("no answer from Kafka") >= 2)
        assert stopped_within(process, 10) == 0
    told = lines(log)
    assert "trace" not in log.read_text().lower()
    assert [line["level"] for line in told] == ["info", *["warning"] * (len(told) - 1)]
    assert str(told[1]["message"]).startswith(f"no answer from Kafka at 127.0.0.1:{port}; trying again in ")


def test_it_folds_tells_of_itself_and_leaves_a_snapshot_when_it_stops(
    broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path
) -> None:
    loop = loop_on_kafka(telemetry=2)
    (port,) = free_ports(1)
    log = tmp_path / "log"
    subject = Subject(
        loop=loop, bootstrap=broker.bootstrap, instance="w0", data=str(tmp_path), partitions=2, health_port=port
    )
    feeder = Feeder(broker.connection, loop=loop, seed=1, count=500, per_s=1_000)
    with running(subject, log) as process:
        feeder.start()
        feeder.join()
        eventually(lambda: 'flyball_inputs_total{topic="telemetry"} 500.0' in asked(port, "/metrics"))
        eventually(lambda: any(event.control_heard_us for event in presence(broker, loop)))
        eventually(lambda: asked(port, "/readyz") == '{"status": "ok"}')
        began = time.monotonic()
        assert stopped_within(process, 10) == 0
        assert time.monotonic() - began < 10
    read = KafkaLog(broker.connection, loop)
    assert all(read.state("detect", partition) is not None for partition in range(2))
    assert {event.state for event in presence(broker, loop)} >= {"running", "stopping"}
    assert presence(broker, loop)[-1].partitions == (0, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"faust", "log"}


class _Garbling(CopartitionAssignor):
    """As the leader of a group it tells others what they cannot read."""

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment | bytes]:
        own = super().assign(cluster, members)
        return {member: share if member.startswith("aiokafka") else b"\x00" for member, share in own.items()}


@pytest.mark.parametrize("assignor", [_Garbling, RoundRobinPartitionAssignor], ids=["not understood", "refused"])
def test_a_worker_whose_part_in_its_group_ends_says_so_and_ends(
    broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path, assignor: type[AbstractPartitionAssignor]
) -> None:
    loop = loop_on_kafka(telemetry=2)
    log = tmp_path / "log"
    subject = Subject(loop=loop, bootstrap=broker.bootstrap, instance="w0", data=str(tmp_path), partitions=2)

    async def lead() -> int:
        leader = AIOKafkaConsumer(
            f"{loop}.telemetry",
            bootstrap_servers=broker.bootstrap,
            group_id=spec_of(subject).group(),
            partition_assignment_strategy=[assignor],
        )
        await leader.start()
        try:
            with running(subject, log) as process:
                return await asyncio.to_thread(process.wait, PATIENCE_S)
        finally:
            await leader.stop()

    assert asyncio.run(lead()) == CRASHED
    told = lines(log)
    assert "started" not in [line["message"] for line in told]
    assert str(told[-1]["message"]).startswith("the group's coordination ended: ")
    assert told[-1]["exit"] == CRASHED


def test_topics_that_are_missing_are_named_with_the_remedy(broker: LocalKafka, tmp_path: Path) -> None:
    log = tmp_path / "log"
    subject = Subject(loop="nowhere", bootstrap=broker.bootstrap, instance="w0", data=str(tmp_path))
    with running(subject, log) as process:
        eventually(lambda: "do not exist" in log.read_text())
        assert stopped_within(process, 10) == 0
    assert "flyball topics" in log.read_text()
