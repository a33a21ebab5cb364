"""Apache Kafka from pip alone: jgo fetches the jars once, a lock file in this folder says which bytes are right."""

import fcntl
import hashlib
import json
import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import BrokerError

VERSION = "4.0.2"
"""Not a newer one: from 4.1 to 4.4, a lone broker that is killed tears transactions (KAFKA-20734)."""
ENDPOINT = (
    f"org.apache.kafka:kafka_2.13:{VERSION}"
    "+org.apache.logging.log4j:log4j-core:2.25.4!"
    "+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
)
"""The `!` keeps log4j's dependency management out: with it, an older kafka-clients gets mixed in."""
_LOCK = Path(__file__).with_name("jars.lock")
_LOG = logging.getLogger(__name__)
REASON_WIDTH = 160


class KafkaUnavailable(BrokerError):  # noqa: N818  # a state of the machine; its callers go on without
    """This machine cannot run a broker (no jars, no Java): use the broker-free driver or a broker elsewhere."""


def default_cache() -> Path:
    """Return the folder that keeps the jars between runs: `FLYBALL_CACHE`, else `~/.cache/flyball`."""
    chosen = os.environ.get("FLYBALL_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "flyball"


def jars_available(cache: Path | None = None) -> bool:
    """Say whether a broker can start from this cache without any network."""
    return _remembered(cache or default_cache()) is not None


def kafka_jars(cache: Path | None = None) -> list[Path]:
    """Return the jars of the broker, fetched once (43 MB) and then remembered.

    Raises `KafkaUnavailable` when they are not in the cache and cannot be fetched.
    """
    folder = cache or default_cache()
    with _one_at_a_time(folder):
        found = _remembered(folder)
        if found is None:
            found = _fetch(folder)
            _remember(folder, found)
    return found


def _fetch(folder: Path) -> list[Path]:
    _LOG.info("fetching Apache Kafka %s (43 MB, once) into %s", VERSION, folder)
    jars = _resolve(folder, update=False)
    wrong = _wrong(jars)
    if wrong:  # an earlier fetch was cut off: jgo takes what is there for whole
        for jar in jars:
            if jar.name in wrong:
                jar.unlink(missing_ok=True)
        jars = _resolve(folder, update=True)
        wrong = _wrong(jars)
    if wrong:
        raise KafkaUnavailable(
            f"expected the Kafka jars that {_LOCK.name} lists, but these differ or miss: {', '.join(sorted(wrong))}; "
            f"remove {folder} and try again"
        )
    return jars


def _resolve(folder: Path, *, update: bool) -> list[Path]:
    import jgo  # noqa: PLC0415  # with requests 0.3 s, which only the first start has to spend
    import requests  # noqa: PLC0415

    try:
        return sorted(jgo.build(ENDPOINT, update=update, cache_dir=folder).all_jars, key=lambda jar: jar.name)
    except (RuntimeError, ValueError, OSError, requests.RequestException) as error:
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", width=REASON_WIDTH, placeholder=" ...")
        raise KafkaUnavailable(
            f"Apache Kafka {VERSION} is not in {folder} and cannot be fetched ({reason}); "
            "connect to the network once, or name a broker under [kafka] in loop.toml"
        ) from error


def _locked() -> dict[str, str]:
    """Return the expected SHA-256 by file name."""
    lines = (line.split() for line in _LOCK.read_text().splitlines())
    return {name: digest for digest, name in lines}


def _wrong(jars: list[Path]) -> set[str]:
    """Return the names that are missing, unexpected or of other bytes than the lock says."""
    expected = _locked()
    actual = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}
    return {name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name)}


def _memory(folder: Path) -> Path:
    return folder / f"kafka-{VERSION}.json"


def _remember(folder: Path, jars: list[Path]) -> None:
    listing = {str(jar.relative_to(folder)): jar.stat().st_size for jar in jars}
    partial = _memory(folder).with_suffix(".part")
    partial.write_text(json.dumps(listing, indent=1))
    partial.replace(_memory(folder))


def _remembered(folder: Path) -> list[Path] | None:
    """Return the checked jars of an earlier run, or None when any of them has gone or changed its size."""
    try:
        listing: dict[str, int] = json.loads(_memory(folder).read_text())
        jars = [folder / name for name in listing]
        whole = all(jar.stat().st_size == size for jar, size in zip(jars, listing.values(), strict=True))
    except (OSError, ValueError):
        return None
    return jars if whole and {jar.name for jar in jars} == _locked().keys() else None


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes that start on a fresh machine must not fetch into one folder at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise KafkaUnavailable(f"expected a writable cache folder, got {folder}: {error}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
