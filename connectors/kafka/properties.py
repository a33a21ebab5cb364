"""What is written for a broker before it starts: server.properties and the log4j configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from connectors.kafka.ports import LOOPBACK
from connectors.kafka.security import Security

FULL_REPLICATION = 3
_LOG4J = """<Configuration status="OFF">
  <Appenders>
    <RollingFile name="file" fileName={name} filePattern={pattern}>
      <PatternLayout pattern="%d %p %m (%c)%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="3"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="file"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One broker of a cluster on this machine: its number (from 1), its folder and its two ports."""

    number: int
    folder: Path
    client_port: int
    controller_port: int

    @property
    def storage(self) -> Path:
        """The folder of the topics' data."""
        return self.folder / "storage"

    @property
    def properties(self) -> Path:
        """The file of the broker's settings."""
        return self.folder / "server.properties"

    @property
    def log4j(self) -> Path:
        """The file of the logging settings."""
        return self.folder / "log4j2.xml"

    @property
    def log(self) -> Path:
        """The file that the broker logs to."""
        return self.folder / "server.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What all brokers of a cluster share; `overrides` are server properties that win over ours."""

    nodes: tuple[Node, ...]
    security: Security | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)


def write_files(cluster: Cluster, node: Node) -> None:
    """Write both files; only the owner may read them, since settings hold the administrator's password."""
    node.folder.mkdir(parents=True, exist_ok=True)
    node.properties.touch(mode=0o600)
    node.properties.write_text(render(cluster, node))
    pattern = quoteattr(f"{node.log}.%i")
    node.log4j.write_text(_LOG4J.format(name=quoteattr(str(node.log)), pattern=pattern))


def render(cluster: Cluster, node: Node) -> str:
    """Return server.properties: KRaft combined mode on loopback, one cluster of equal nodes."""
    settings = {
        **_identity(cluster, node),
        **_replication(len(cluster.nodes)),
        **_SMALL,
        **(cluster.security.properties() if cluster.security else {}),
        **cluster.overrides,
    }
    return "".join(f"{name}={_escape(value)}\n" for name, value in settings.items())


def _identity(cluster: Cluster, node: Node) -> dict[str, str]:
    protocol = "SASL_SSL" if cluster.security else "PLAINTEXT"
    client = f"CLIENT://{LOOPBACK}:{node.client_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{n.number}@{LOOPBACK}:{n.controller_port}" for n in cluster.nodes),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listeners": f"{client},CONTROLLER://{LOOPBACK}:{node.controller_port}",
        "advertised.listeners": client,
        "listener.security.protocol.map": f"CLIENT:{protocol},CONTROLLER:{protocol}",
        "log.dirs": str(node.storage),
    }


def _replication(nodes: int) -> dict[str, str]:
    copies = str(min(nodes, FULL_REPLICATION))
    in_sync = str(1 if nodes < FULL_REPLICATION else 2)
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


_SMALL = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may register again only when its old session has ended: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # One machine, few clients: fewer internal partitions start and recover faster, a small cleaner saves its heap.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "2",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def _escape(value: str) -> str:
    """Properties files read a backslash as an escape."""
    return value.replace("\\", "\\\\").replace("\n", "\\\n")
