"""The composition root: the only place where settings, processors, keys and the Faust runtime meet."""

import hashlib
import importlib.metadata
import os
from functools import partial
from pathlib import Path

import msgspec

from schemas.connection import KafkaConnection
from schemas.keyfiles import load_keyring, load_root, load_signer
from schemas.keyring import Trust
from schemas.signing import Audience, Signer
from schemas.stop_file import StopFile
from schemas.topics import GROUP_SOURCES, TOPICS
from streams.loop.decode import make_decode
from streams.loop.processor import Processor
from streams.loop.recognise.graph_settings import GraphSettings
from streams.loop.role import Decode, Role
from streams.runtime.beginning import first_trust
from streams.runtime.spec import FETCH_PACE_S, WorkerSpec
from streams.settings import Settings

SIGNED_BY_ROLE: dict[str, tuple[str, ...]] = {"gate": ("actions",), "improve": ("audit",)}
"""The topics whose records each role signs; nobody else is given those keys."""
FREE_DETECT_SETTINGS = frozenset(
    {
        "false_alarms",
        "false_alarms_in_all",
        "p_floor",
        "p_per_alarm",
        "threshold",
        "least_threshold",
        "close_threshold",
        "forest_weight",
        "census_us",
        "measure_after_us",
        "letter_limit",
        "letter_bytes",
        "metric_gone_us",
    }
)
"""What may be changed under a kept state of `detect`; all else (windows, forests, limits) gave it its meaning."""


def make_processors(settings: Settings, *, role: str, partition: int) -> list[Processor]:
    """Return the processors of a role, in the order in which they see a step.

    Each role imports its own: what the gate's process never loads cannot act there.
    """
    loop, seed = settings.loop.name, settings.loop.seed
    match role:
        case "ingest":
            from streams.loop.ingest import Ingest

            return [Ingest(settings.ingest, loop=loop, partitions=settings.telemetry.partitions)]
        case "detect":
            from streams.loop.detect import Detect

            return [
                Detect(
                    settings.detect,
                    loop=loop,
                    partition=partition,
                    seed=seed,
                    partitions=settings.telemetry.partitions,
                    measures_all=settings.policy.renewal is not None,
                )
            ]
        case "decide":
            return _decide(settings)
        case "gate":
            return [_gate(settings, loop=loop, settings_hash=settings.settings_hash)]
        case _:
            from streams.loop.account import Account

            return [Account(settings.account, loop=loop)]


def _gate(settings: Settings, *, loop: str, settings_hash: str) -> Processor:
    from streams.loop.gate import Gate

    return Gate(
        settings.gate,
        loop=loop,
        settings_hash=settings_hash,
        actions=settings.actions,
        levels=settings.levels,
        baseline=settings.policy.baseline,
        may_ask=settings.policy.ask_cost is not None,
    )


def make_other_gate(settings: Settings, *, loop: str, settings_hash: str, decode: Decode) -> Role:
    """Return a gate that lets through what these settings let, as if the orders for `settings_hash` were for them."""
    return Role(
        name="gate", loop=loop, processors=[_gate(settings, loop=loop, settings_hash=settings_hash)], decode=decode
    )


def _decide(settings: Settings) -> list[Processor]:
    from streams.loop.attribute import Attribute
    from streams.loop.policy import Policy
    from streams.loop.recognise import Recognise

    loop, actions = settings.loop.name, settings.actions
    return [
        Recognise(settings.recognise, loop=loop, graph=_graph(settings)),
        Attribute(settings.attribute, loop=loop, actions=actions, look_cost=settings.policy.ask_cost or 0.0),
        Policy(settings.policy, loop=loop, seed=settings.loop.seed, actions=actions),
    ]


def _graph(settings: Settings) -> GraphSettings:
    """Return the graph of storms: what opens one window of detect apart is together."""
    window_us = max(settings.graph.window_us, settings.detect.window_us)
    return msgspec.structs.replace(settings.graph, window_us=window_us)


def make_role(settings: Settings, *, role: str, partition: int, decode: Decode, filter_duplicates: bool = True) -> Role:
    """Return a fresh role for one partition; the same for the worker, for replay and for simulation."""
    return Role(
        name=role,
        loop=settings.loop.name,
        processors=make_processors(settings, role=role, partition=partition),
        decode=decode,
        filter_duplicates=filter_duplicates,
    )


def make_decoded_role(
    settings: Settings, *, role: str, partition: int, trust: Trust | None = None, audience: Audience | None = None
) -> Role:
    """Return a fresh role with a decoder of its own; without `trust` no signature is looked at (no broker, no keys)."""
    decode = make_decode(trust=trust, audience=audience, telemetry=settings.telemetry)
    return make_role(settings, role=role, partition=partition, decode=decode)


def state_settings(settings: Settings, role: str) -> str:
    """Return the hash of the settings that the state of a role is bound to; empty where it fits any.

    Limits, levels, shares and costs are read afresh in every step, so only windows and what is learned on them bind.
    """
    if role != "detect":
        return ""
    section = msgspec.to_builtins(settings.detect)
    bound = {name: value for name, value in section.items() if name not in FREE_DETECT_SETTINGS}
    text = msgspec.json.encode([settings.loop.seed, bound], order="sorted")
    return hashlib.sha256(text).hexdigest()


def load_trust(keys: Path) -> Trust:
    """Return the keyring in force and its pinned root; raises `SettingsError`."""
    return Trust(root=load_root(keys), keyring=load_keyring(keys))


def make_worker(
    settings: Settings,
    *,
    role: str,
    connection: KafkaConnection,
    audience: Audience,
    keys: Path,
    data: Path,
    instance: str,
    health_port: int | None = None,
    stop_file: StopFile | None = None,
) -> WorkerSpec:
    """Return everything that a worker process of one role needs, with the code of its processors loaded (and compiled):
    a takeover, when the former owner is fenced already, is no time for that.
    """
    trust = load_trust(keys)
    make_processors(settings, role=role, partition=0)
    sign: dict[str, Signer] = {
        topic: load_signer(keys, topic, audience, os.environ)  # type: ignore[arg-type]  # topics named as their purposes
        for topic in SIGNED_BY_ROLE.get(role, ())
    }
    make = partial(make_decoded_role, settings, role=role, audience=audience)
    scales = TOPICS[GROUP_SOURCES[role][0]].scales
    return WorkerSpec(
        loop=settings.loop.name,
        role=role,
        connection=connection,
        instance=instance,
        partitions=settings.telemetry.partitions if scales else 1,
        make_role=lambda partition: make(partition=partition, trust=trust),
        make_first=lambda partition: make(
            partition=partition, trust=first_trust(connection, audience=audience, today=trust)
        ),
        sign=sign,
        settings_hash=settings.settings_hash,
        state_settings=state_settings(settings, role),
        code=importlib.metadata.version("flyball"),
        data=data,
        health_port=health_port,
        stop_file=stop_file if role == "gate" else None,  # the others have no effect
        fetch_pace_s=0.1 if role == "improve" else FETCH_PACE_S,  # nobody waits for what improve does
    )


__all__ = ["load_trust", "make_decoded_role", "make_other_gate", "make_processors", "make_role", "make_worker"]
