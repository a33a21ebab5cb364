"""The loop under simulation: the real roles with limits and windows small enough for runs of a few minutes."""

from functools import lru_cache, partial

from msgspec.structs import replace

from schemas.events import Event
from schemas.ids import seed_of
from schemas.raw import Headers, RawBatch
from streams.loop.account import Account, AccountSettings
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.decode import make_decode
from streams.loop.detect import Detect, DetectSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.ingest import Ingest, IngestSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Now, Processor
from streams.loop.recognise import GraphSettings, Recognise, RecogniseSettings
from streams.loop.role import BadRow, Decode, Role
from streams.loop.telemetry import TelemetryBatch
from streams.replay import RoleFactory
from streams.replay.reading import decode
from streams.worlds.fleet_settings import FleetSettings

LOOP = "sim"
SETTINGS_HASH = "simulated"
PARTITIONS = 2
FLEET = FleetSettings(
    entities=32,
    kinds=3,
    actions=("restart", "recycle", "throttle", "rollback"),
    calm_periods=10,
    fault_every_us=4_000_000,
    fault_us=7_000_000,
    life_every_us=150_000_000,
    gap_us=10_000_000,
    storm_every_us=60_000_000,
    delayed=0.1,
    missing=0.04,
    duplicate=0.1,
)
ACTION_LIMIT = "6/10s and 40/minute"
ACTIONS = {
    name: ActionSettings(name=name, cost=0.05, limit=ACTION_LIMIT, cooldown_us=3_000_000, expires_us=10_000_000)
    for name in FLEET.actions
}
GATE = GateSettings(
    loop_limit="10/10s and 60/minute",
    pattern_limit="5/10s",
    entity_attempts="6/minute",
    concurrency=12,
    abnormal_share=0.9,
    failed_share=0.9,
    failed_window_us=20_000_000,
    escalation_limit="4/10s and 20/minute",
    approval_window_us=4_000_000,
    rearm="auto",
)
"""No person re-arms breakers here: in 2 of 72 seeds an early storm left fewer than 20 actions to judge."""
LEVELS = LevelSettings(default="act", novel="act")
DETECT = DetectSettings(
    onset_windows=2,
    measure_after_us=8_000_000,
    warmup_windows=8,
    forest_windows=600,
    entity_limit=64,
    metric_limit=8,
    gone_us=15_000_000,
)
CALLS = {f"node-{number:02d}": (f"node-{number // 2:02d}",) for number in range(1, FLEET.entities)}
GRAPHS = [GraphSettings(calls=calls, window_us=6_000_000, member_limit=6, order_limit=100) for calls in ({}, CALLS)]
"""Some seeds learn the order of onsets, others are told who calls whom and let episodes wait for their origin."""
_Columns = tuple[tuple[int, ...], tuple[bytes | None, ...], tuple[bytes | None, ...], tuple[Headers, ...]]
"""Offsets, keys, values and headers of records."""
POLICY = PolicySettings(hold_us=1_000_000, hold_out={"loop": 0.5, "baseline": 0.45, "none": 0.05})
"""Many episodes under the baseline, which always acts: a loop that has learned to wait would leave limits untried."""
ASK_COSTS = (0.02, None, None)
"""Some seeds may choose to ask a person: nobody answers, and a limit says how often in vain."""
ATTRIBUTE = AttributeSettings(
    horizon_us=6_000_000,
    grace_us=2_000_000,
    late_us=30_000_000,
    early=EarlySettings(after_us=2_500_000, validity=0.0, pairs=5),
)
"""Much is foretold, and much of that is wrong."""


def processors_of(role: str, partition: int, *, seed: int) -> list[Processor]:
    """Return the processors of a role."""
    ask_cost = ASK_COSTS[seed % 3]
    match role:
        case "ingest":
            return [Ingest(IngestSettings(), loop=LOOP, partitions=PARTITIONS)]
        case "detect":
            return [Detect(DETECT, loop=LOOP, partition=partition, seed=seed)]
        case "decide":
            return [
                Recognise(RecogniseSettings(), loop=LOOP, graph=GRAPHS[seed % 2]),
                Attribute(ATTRIBUTE, loop=LOOP, actions=ACTIONS, look_cost=ask_cost or 0.0),
                Policy(replace(POLICY, ask_cost=ask_cost), loop=LOOP, seed=seed, actions=ACTIONS),
            ]
        case "gate":
            return [
                Gate(
                    GATE,
                    loop=LOOP,
                    settings_hash=SETTINGS_HASH,
                    actions=ACTIONS,
                    levels=LEVELS,
                    baseline=POLICY.baseline,
                    may_ask=ask_cost is not None,
                )
            ]
        case _:
            return [Account(AccountSettings(), loop=LOOP)]


class DecodedOnce(Decode):
    """Decodes bytes once for all roles, their lives and the checker, who fold them again and again."""

    def __init__(self) -> None:
        super().__init__(event=self._event, telemetry=self._telemetry)

    def _event(self, topic: str, _key: bytes | None, value: bytes | None, headers: Headers, _now: Now) -> Event:
        return decode(topic, value, headers)

    def _telemetry(self, raw: RawBatch, now: Now) -> tuple[TelemetryBatch | None, list[BadRow]]:
        columns = tuple(raw.offsets), tuple(raw.keys), tuple(raw.values), tuple(raw.headers)
        return _telemetry((raw.topic, raw.partition), columns, now)


@lru_cache(maxsize=1_024)
def _telemetry(source: tuple[str, int], columns: _Columns, now: Now) -> tuple[TelemetryBatch | None, list[BadRow]]:
    """Return decoded telemetry, of which no reader can change a number under the others."""
    offsets, keys, values, headers = columns
    raw = RawBatch(topic=source[0], partition=source[1], offsets=offsets, keys=keys, values=values, headers=headers)
    batch, bad_rows = make_decode().telemetry(raw, now)
    if batch is not None:
        for array in (batch.offsets, batch.time_us, batch.values):
            array.flags.writeable = False
    return batch, bad_rows


def make_role(role: str, partition: int, *, seed: int = 7, filter_duplicates: bool = True) -> Role:
    """Return a role without state."""
    return Role(
        name=role,
        loop=LOOP,
        processors=processors_of(role, partition, seed=seed),
        decode=DecodedOnce(),
        filter_duplicates=filter_duplicates,
    )


def role_factory(*, seed: int, filter_duplicates: bool = True) -> RoleFactory:
    """Return the factory of the roles of one simulated run."""
    return partial(make_role, seed=seed_of(LOOP, seed), filter_duplicates=filter_duplicates)
