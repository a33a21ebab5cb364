"""A real Apache Kafka on this machine: one broker or three, loopback only, gone when its owner is gone."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.kafka.folder import ClusterState, DataFolder, new_cluster_id
from connectors.kafka.jars import VERSION, KafkaUnavailable, jars_available, kafka_jars
from connectors.kafka.java import find_java
from connectors.kafka.node import NodeProcess
from connectors.kafka.ports import LOOPBACK, answers, free_ports, is_free, require_free
from connectors.kafka.properties import Cluster, Node, write_files
from connectors.kafka.security import Security
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, SettingsError
from schemas.kafka import make_admin

__all__ = ["KafkaUnavailable", "LocalKafka", "Security", "jars_available"]
SIZES = (1, 3)
READY_S = 90.0
_POLL_S = 0.05


class LocalKafka:
    """A cluster with its own data folder; starting again on the same folder finds the same cluster and its data.

    `ports` are the client ports, one per broker (default: those of last time if free, else free ones). `overrides`
    are server properties. A `lasting` broker starts a little slower and is quicker from then on.

    Raises `KafkaUnavailable` where no broker can run (no jars and no network, or no Java),
    `BrokerError` when it could but did not start, `SettingsError` for impossible arguments.
    """

    version = VERSION

    def __init__(
        self,
        *,
        data: Path,
        cache: Path | None = None,
        brokers: int = 1,
        ports: Sequence[int] | None = None,
        security: Security | None = None,
        overrides: Mapping[str, str] | None = None,
        java: Path | None = None,
        lasting: bool = False,
    ) -> None:
        if brokers not in SIZES:
            raise SettingsError([f"expected 1 or 3 brokers, got {brokers}"])
        if ports is not None and len(set(ports)) != brokers:
            raise SettingsError([f"expected {brokers} different ports, got {list(ports)}"])
        self._folder = DataFolder(data)
        self._cache = cache
        self._size = brokers
        self._ports = None if ports is None else list(ports)
        self._security = security
        self._overrides = dict(overrides or {})
        self._java = java
        self._lasting = lasting
        self._nodes: list[NodeProcess] = []
        self.cluster_id = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def connection(self) -> KafkaConnection:
        """How to reach it; on a secured cluster as its administrator."""
        return self.connection_as(self._security.admin) if self._security else KafkaConnection(bootstrap=self.bootstrap)

    def connection_as(self, user: str) -> KafkaConnection:
        """How one user of a secured cluster reaches it."""
        if self._security is None:
            raise SettingsError(["expected a secured cluster to connect as a user, got one without security"])
        return self._security.connection(self.bootstrap, user)

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers; known after `start`, and the same until the object is gone."""
        if not self._nodes:
            raise BrokerError("expected a started cluster; call start() first")
        return ",".join(f"{LOOPBACK}:{process.node.client_port}" for process in self._nodes)

    @property
    def pids(self) -> dict[int, int]:
        """The process id of every running broker, by its number (from 1)."""
        return {process.node.number: process.pid for process in self._nodes if process.alive()}

    def start(self) -> None:
        """Start all brokers; returns when the metadata of the cluster answers. Does nothing when it runs."""
        if self.pids:
            return
        java = self._java or find_java()
        jars = kafka_jars(self._cache)
        try:
            self._folder.hold()
            if not self._nodes:
                self._nodes = self._plan(java, jars)
            self._launch(self._nodes)
        except OSError as error:
            self.stop()
            raise BrokerError(f"expected a writable folder with room at {self._folder.path}, got: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all brokers cleanly (SIGTERM; SIGKILL after 10 s). Data and addresses stay."""
        for process in self._nodes:
            process.begin_stop()
        for process in self._nodes:
            process.wait()
        self._folder.let_go()

    def kill(self, broker: int = 1) -> None:
        """Crash one broker: SIGKILL, no clean-up."""
        self._process(broker).kill()

    def restart(self, broker: int = 1) -> None:
        """Start a broker that was killed, or stop and start a running one; returns when metadata answers again."""
        process = self._process(broker)
        process.begin_stop()
        process.wait()
        self._launch([process])

    def _process(self, broker: int) -> NodeProcess:
        for process in self._nodes:
            if process.node.number == broker:
                return process
        raise SettingsError([f"expected a broker from 1 to {len(self._nodes)}, got {broker}"])

    def _plan(self, java: Path, jars: Sequence[Path]) -> list[NodeProcess]:
        earlier = self._folder.recall()
        if earlier is not None and earlier.brokers != self._size:
            raise BrokerError(
                f"expected a cluster of {self._size} in {self._folder.path}, got one of {earlier.brokers} brokers; "
                "choose another folder"
            )
        ports, controller_ports = self._choose_ports(earlier)
        self.cluster_id = earlier.cluster_id if earlier else new_cluster_id()
        self._folder.remember(ClusterState(cluster_id=self.cluster_id, ports=ports, controller_ports=controller_ports))
        return [
            NodeProcess(
                node=Node(
                    number=number,
                    folder=self._folder.path / f"broker-{number}",
                    client_port=ports[number - 1],
                    controller_port=controller_ports[number - 1],
                ),
                java=java,
                jars=jars,
                lasting=self._lasting,
            )
            for number in range(1, self._size + 1)
        ]

    def _choose_ports(self, earlier: ClusterState | None) -> tuple[list[int], list[int]]:
        """Take the addresses of last time where they are free: clients of the folder find it again."""
        if self._ports is not None:
            require_free(self._ports)
            others = [port for port in free_ports(2 * self._size) if port not in self._ports]
            return self._ports, others[: self._size]
        if earlier is not None and all(is_free(port) for port in [*earlier.ports, *earlier.controller_ports]):
            return earlier.ports, earlier.controller_ports
        fresh = free_ports(2 * self._size)
        return fresh[: self._size], fresh[self._size :]

    def _launch(self, processes: Sequence[NodeProcess]) -> None:
        require_free([port for p in processes for port in (p.node.client_port, p.node.controller_port)])
        nodes = tuple(process.node for process in self._nodes)
        cluster = Cluster(nodes=nodes, security=self._security, overrides=self._overrides)
        for process in processes:
            write_files(cluster, process.node)
        options = self._security.format_options() if self._security else []
        formats = [(process, process.begin_format(self.cluster_id, options)) for process in processes]
        for process, running in formats:
            process.end_format(running)
        for process in processes:
            process.start(keep_open=self._folder.descriptors)
        self._await(processes, time.monotonic() + READY_S)

    def _await(self, processes: Sequence[NodeProcess], deadline: float) -> None:
        for process in processes:
            while not answers(process.node.client_port):
                self._pause(processes, deadline)
        admin = make_admin(self.connection)
        while not self._metadata_answers(admin):
            self._pause(processes, deadline)

    def _metadata_answers(self, admin: AdminClient) -> bool:
        try:
            metadata = admin.list_topics(timeout=2)
        except KafkaException:  # it listens before it serves
            return False
        return len(metadata.brokers) >= len(self.pids)

    def _pause(self, processes: Sequence[NodeProcess], deadline: float) -> None:
        time.sleep(_POLL_S)
        for process in processes:
            process.require_alive()
        if time.monotonic() > deadline:
            words = "; ".join(process.last_words() for process in processes)
            raise BrokerError(f"expected Kafka to answer within {READY_S:.0f} s, but it did not: {words}")
