"""Where a loop lives: its file, its folders, and how to reach its Kafka."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.executors.settings import ExecutorsSettings
from connectors.lab.settings import LabSettings
from connectors.notify.settings import NotifySettings
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, SettingsError
from schemas.signing import Audience
from schemas.stop_file import StopFile
from streams.loop.durations import format_duration
from streams.settings import Settings, load, world_settings

ADDRESS_FILE = "kafka.json"
ANSWER_S = 10.0


class LocalAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker that flyball started on this machine listens; written when it is ready."""

    connection: KafkaConnection
    cluster_id: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlace:
    """A read `loop.toml` and the folders beside it."""

    config: Path
    settings: Settings

    @classmethod
    def open(cls, config: Path) -> "LoopPlace":
        """Read the file; raises `SettingsError` with every problem."""
        settings = load(config, worlds={"lab": LabSettings, "executors": ExecutorsSettings, "notify": NotifySettings})
        too_long = list(_too_long(settings))
        if too_long:
            raise SettingsError([f"{config}: {problem}" for problem in too_long])
        return cls(config=config, settings=settings)

    @property
    def loop(self) -> str:
        """The loop's name."""
        return self.settings.loop.name

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.config.parent / self.settings.loop.keys

    @property
    def data(self) -> Path:
        """The folder of everything that running makes."""
        return self.config.parent / self.settings.loop.data

    @property
    def stop_file(self) -> StopFile:
        """What stops the loop on this machine while it is there."""
        return StopFile(self.data / self.settings.loop.stop_file)

    @property
    def stopped_here(self) -> str | None:
        """Why the loop is stopped on this machine, or None; a machine on which nothing of it ever ran is not."""
        try:
            self.data.lstat()
        except FileNotFoundError:
            return self.stop_file.why() if os.path.lexists(self.stop_file.path) else None
        except OSError:  # whether anything ran cannot be seen, and neither can the file: it says so
            return self.stop_file.why()
        return self.stop_file.why()

    @property
    def is_local(self) -> bool:
        """Whether flyball itself runs this loop's Kafka, on this machine."""
        return self.settings.kafka is None

    def connection(self) -> KafkaConnection:
        """Return how to reach Kafka; raises `BrokerError` when this loop's local broker is not running."""
        if self.settings.kafka is not None:
            plain = msgspec.to_builtins(self.settings.kafka)
            plain.pop("replication", None)
            return msgspec.convert(plain, KafkaConnection)
        return self._address().connection

    def audience(self) -> Audience:
        """Return for whom this loop's signatures are made: its cluster and its name."""
        from schemas.kafka import cluster_id  # noqa: PLC0415  # librdkafka loads only where Kafka is meant

        return Audience(cluster=cluster_id(self.connection(), timeout_s=ANSWER_S), loop=self.loop)

    def publish_address(self, address: LocalAddress) -> None:
        """Tell the other commands of this folder where the local broker is."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / ADDRESS_FILE).write_bytes(msgspec.json.encode(address))

    def withdraw_address(self) -> None:
        """Say that the local broker is gone."""
        (self.data / ADDRESS_FILE).unlink(missing_ok=True)

    def _address(self) -> LocalAddress:
        path = self.data / ADDRESS_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=LocalAddress)
        except FileNotFoundError:
            raise BrokerError(
                f"no local Kafka runs for {self.config}; `flyball run` or `flyball kafka` starts one, "
                "or name a cluster under [kafka]"
            ) from None
        except (OSError, ValueError) as error:
            raise BrokerError(f"{path}: expected where the local Kafka is, got {error}; `flyball run` again") from error


def _too_long(settings: Settings) -> Iterator[str]:
    """Yield which actions may take longer than the gate waits for their end, before it counts it as unknown."""
    executors = world_settings(ExecutorsSettings, settings, section="executors")
    patience_us = settings.gate.outcome_timeout_us
    for name, action in settings.actions.items():
        time_us = executors.time_us(action.executor) if action.executor in executors.declared() else 0
        if time_us > patience_us:
            yield (
                f"actions.{name}.executor: {action.executor} may take {format_duration(time_us)} with verification and "
                f"undo: expected at most gate.outcome_timeout ({format_duration(patience_us)})"
            )
