"""The commands of the processes that make a loop; each runs one part through the same `flyball` that people type."""

import sys
from collections.abc import Sequence
from pathlib import Path

from connectors.kafka.ports import free_ports

LOCAL_ROLES = ("detect", "decide", "gate", "improve")
"""The roles of a loop whose telemetry needs no decoding by `ingest`."""


def flyball_command(*arguments: str) -> list[str]:
    """Return a command line that runs `flyball` with this very Python."""
    return [sys.executable, "-m", "streams.cli", *arguments]


def role_commands(config: Path, roles: Sequence[str]) -> dict[str, list[str]]:
    """Return one worker per role, each with a metrics and health endpoint on a free loopback port."""
    ports = free_ports(len(roles))
    return {
        role: flyball_command(
            "run", "--config", str(config), "--role", role, "--instance", f"{role}-1", "--health-port", str(port)
        )
        for role, port in zip(roles, ports, strict=True)
    }
