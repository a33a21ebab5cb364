"""What a worker is told: everything that decides what it does, in one frozen value from the composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.connection import KafkaConnection
from schemas.signing import Signer
from schemas.stop_file import StopFile
from schemas.topics import GROUP_SOURCES, TOPICS
from streams.loop.role import Role

FETCH_PACE_S = 0.003


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker of one role of one loop. Seconds end in `_s`."""

    loop: str
    role: str
    connection: KafkaConnection
    instance: str
    """Static group membership: unique among the workers of the role, the same again after a restart."""
    partitions: int
    """Partitions of each of the role's group sources (all the same: partition p of all of them is one unit of work)."""
    make_role: Callable[[int], Role]
    """Partition number to a role without state, to be given one."""
    sign: Mapping[str, Signer]
    """Topic to the signer of what is written there; signatures come after the digest in the journal."""
    settings_hash: str
    """Of everything that matters to decisions: a journal written under another one is never replayed."""
    code: str
    """Version of the code: a journal written by another version is never replayed."""
    data: Path
    """Folder for files of this worker; only Faust's bookkeeping is ever there."""
    make_first: Callable[[int], Role] | None = None
    """Partition number to a role as it begins where there is no state, with the keyring that `control` begins with.
    None: as `make_role`. Raises `BrokerError`.
    """
    state_settings: str = ""
    """Hash of the settings that a snapshot is bound to: it is never restored under others. Empty: under any."""
    stop_file: StopFile | None = None
    """What stops the gate on this machine while it is there."""
    health_port: int | None = None
    session_timeout_s: float = 6.0
    heartbeat_s: float = 1.0
    hint_commit_s: float = 1.0
    """How often group offsets are written; they are a hint for lag tools, positions live in the state."""
    transaction_timeout_s: float = 6.0
    fetch_pace_s: float = FETCH_PACE_S
    """The least time between two fetches."""
    gather_s: float = 0.1
    """Under load a step gathers this long."""
    replay_limit_s: float = 1.0
    """A snapshot is taken when folding the journal behind the last one again would take longer."""
    clock_limit_s: float = 5.0
    watchdog_s: float = 30.0
    presence_s: float = 2.0

    def first_role(self, partition: int) -> Role:
        """Return a role as it begins where there is no state; raises `BrokerError`."""
        return (self.make_first or self.make_role)(partition)

    def group_sources(self) -> tuple[str, ...]:
        """Return the registry topics that this role reads as a group."""
        return GROUP_SOURCES[self.role]

    def full_name(self, topic: str) -> str:
        """Return the Kafka name of a registry topic."""
        return TOPICS[topic].full_name(self.loop)

    def registry_name(self, full_name: str) -> str:
        """Return the registry name of a Kafka topic of this loop."""
        return full_name.removeprefix(f"{self.loop}.")

    def group(self) -> str:
        """Return the consumer group, which also names the access-control rules."""
        return f"{self.loop}.{self.role}"

    def transactional_id(self, partition: int) -> str:
        """Return the id that only one living producer may hold: a newer one fences the older."""
        return f"{self.loop}/{self.role}/{partition}"
