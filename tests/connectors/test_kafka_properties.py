"""What is written for a broker, the ports it gets, and the partitions of a loop."""

import socket
import stat
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka, Security
from connectors.kafka.partitions import planned_partitions
from connectors.kafka.ports import free_ports, is_free, require_free
from connectors.kafka.properties import Cluster, Node, render, write_files
from schemas.errors import BrokerError, SettingsError
from schemas.topics import TOPICS


def nodes(folder: Path, count: int) -> tuple[Node, ...]:
    return tuple(
        Node(number=n, folder=folder / str(n), client_port=9000 + n, controller_port=9100 + n)
        for n in range(1, count + 1)
    )


def settings(cluster: Cluster, number: int = 1) -> dict[str, str]:
    lines = render(cluster, cluster.nodes[number - 1]).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_every_listener_is_on_loopback(tmp_path: Path) -> None:
    found = settings(Cluster(nodes=nodes(tmp_path, 3)), 2)
    assert found["listeners"] == "CLIENT://127.0.0.1:9002,CONTROLLER://127.0.0.1:9102"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103"


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_internal_topics_are_replicated_as_far_as_brokers_go(
    tmp_path: Path, brokers: int, copies: str, in_sync: str
) -> None:
    found = settings(Cluster(nodes=nodes(tmp_path, brokers)))
    assert found["offsets.topic.replication.factor"] == copies
    assert found["transaction.state.log.replication.factor"] == copies
    assert found["share.coordinator.state.topic.replication.factor"] == copies
    assert found["transaction.state.log.min.isr"] == in_sync


def test_overrides_win(tmp_path: Path) -> None:
    cluster = Cluster(nodes=nodes(tmp_path, 1), overrides={"num.io.threads": "9", "log.dirs": "a\\b"})
    assert settings(cluster)["num.io.threads"] == "9"
    assert settings(cluster)["log.dirs"] == "a\\\\b"


def test_settings_are_for_their_owner_only(tmp_path: Path) -> None:
    security = Security(users={"root": "secret"}, admin="root", keystore=tmp_path / "k", truststore=tmp_path / "t")
    cluster = Cluster(nodes=nodes(tmp_path, 1), security=security)
    write_files(cluster, cluster.nodes[0])
    assert stat.S_IMODE(cluster.nodes[0].properties.stat().st_mode) == 0o600
    assert "SASL_SSL" in settings(cluster)["listener.security.protocol.map"]


@pytest.mark.parametrize(
    ("users", "admin", "message"),
    [
        ({"a": "x"}, "root", "among the users"),
        ({"a b": "x"}, "a b", "letters, digits"),
        ({"a": 'x"y'}, "a", "without any of"),
    ],
)
def test_users_that_kafka_could_not_read_are_refused(
    tmp_path: Path, users: dict[str, str], admin: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Security(users=users, admin=admin, keystore=tmp_path, truststore=tmp_path)


@pytest.mark.parametrize(("brokers", "ports"), [(2, None), (0, None), (1, [1, 2]), (3, [1, 1, 2])])
def test_impossible_clusters_are_refused(tmp_path: Path, brokers: int, ports: list[int] | None) -> None:
    with pytest.raises(SettingsError, match="expected"):
        LocalKafka(data=tmp_path, brokers=brokers, ports=ports)


def test_free_ports_differ_and_a_taken_one_is_named() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0]))
        taken.listen()
        assert not is_free(ports[0])
        with pytest.raises(BrokerError, match=str(ports[0])):
            require_free(ports[:1])


def test_a_roles_journal_and_state_follow_its_sources() -> None:
    planned = planned_partitions({"telemetry": 12})
    assert planned.keys() == TOPICS.keys()
    assert (planned["journal-detect"], planned["state-detect"], planned["journal-ingest"]) == (12, 12, 4)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"insights": 2}, "one total order"),
        ({"telemetry": 0}, "at least 1"),
        ({"nothing": 1}, "registry"),
        ({"telemetry": 4, "journal-detect": 2}, "same partitions for all topics of the role detect"),
    ],
)
def test_partitions_that_would_break_a_role_are_refused(wanted: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        planned_partitions(wanted)
