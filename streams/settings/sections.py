"""The one frozen struct that a `loop.toml` becomes; the sections of processors stand beside the processors."""

import hashlib
from typing import Annotated, Any

import msgspec

from schemas.connection import KafkaConnection
from streams.loop.account import AccountSettings
from streams.loop.actions import ActionSettings
from streams.loop.attribute import AttributeSettings
from streams.loop.decode.settings import TelemetrySettings
from streams.loop.detect import DetectSettings
from streams.loop.gate import GateSettings, LevelSettings
from streams.loop.ingest_settings import IngestSettings
from streams.loop.policy import PolicySettings
from streams.loop.recognise import GraphSettings, RecogniseSettings
from streams.settings.profiles import Profile
from streams.worlds.fleet_settings import FleetSettings


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name (the prefix of its topics), seed and profile of a loop; `keys` and `data` are folders beside the file.

    While a file `stop_file`, by its place in `data`, is there, the loop is stopped on this machine.
    """

    name: str
    seed: int = 7
    profile: Profile = "speed"
    keys: str = "keys"
    data: str = "var"
    stop_file: str = "STOP"


class KafkaSettings(KafkaConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the loop's Kafka is, and how many copies of each partition it keeps."""

    replication: Annotated[int, msgspec.Meta(ge=1, le=15)] = 1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a `loop.toml` says. `kafka` is None where flyball starts a broker on this machine.

    `retention` maps topics to us; `lab`, `executors` and `notify` are passed on as they stand, for `world_settings`.
    """

    loop: LoopSettings
    kafka: KafkaSettings | None = None
    telemetry: TelemetrySettings = TelemetrySettings()
    ingest: IngestSettings = IngestSettings()
    detect: DetectSettings = DetectSettings()
    recognise: RecogniseSettings = RecogniseSettings()
    graph: GraphSettings = GraphSettings()
    policy: PolicySettings = PolicySettings()
    attribute: AttributeSettings = AttributeSettings()
    gate: GateSettings = GateSettings()
    levels: LevelSettings = LevelSettings()
    actions: dict[str, ActionSettings] = {}
    account: AccountSettings = AccountSettings()
    retention: dict[str, int] = {}
    lab: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    notify: dict[str, Any] = {}
    fleet: FleetSettings = FleetSettings()

    @property
    def canonical(self) -> str:
        """Return what matters to decisions, as JSON with sorted keys and every default written out, but for
        `policy.ask_cost` where it is off. A release with a new setting has another text for the same file.

        Where Kafka is, where files are, what retention keeps, what carries actions out, who is told, and the worlds do
        not matter: they may change freely.
        """
        plain = msgspec.to_builtins(self)
        for name in ("kafka", "retention", "lab", "executors", "notify", "fleet"):
            del plain[name]
        del plain["loop"]["keys"], plain["loop"]["data"], plain["loop"]["stop_file"]
        if self.policy.ask_cost is None:
            del plain["policy"]["ask_cost"]
        for action in plain["actions"].values():
            del action["executor"]
        return msgspec.json.encode(plain, order="sorted").decode()

    @property
    def settings_hash(self) -> str:
        """Return the SHA-256 of the canonical text, in hex: what `flyball activate` signs and every verdict names."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()
