"""Fetching and checking the broker's jars, and finding a Java, without any network."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.kafka import jars
from connectors.kafka.java import find_java, java_version
from connectors.kafka.launcher import KafkaUnavailable, jars_available


def test_an_empty_cache_has_no_jars(tmp_path: Path) -> None:
    assert not jars_available(tmp_path / "new")


def test_the_lock_names_every_jar_once_with_its_digest() -> None:
    lines = Path(jars.__file__).with_name("jars.lock").read_text().splitlines()
    names = [line.split()[1] for line in lines]
    assert len(set(names)) == len(lines) == 44
    assert {f"kafka_2.13-{jars.VERSION}.jar", f"kafka-clients-{jars.VERSION}.jar"} < set(names)
    assert all(len(line.split()[0]) == hashlib.sha256().digest_size * 2 for line in lines)


def test_a_listing_is_believed_only_while_every_jar_is_whole(tmp_path: Path) -> None:
    names = [line.split()[1] for line in Path(jars.__file__).with_name("jars.lock").read_text().splitlines()]
    for name in names:
        (tmp_path / name).write_bytes(b"jar")
    listing = tmp_path / f"kafka-{jars.VERSION}.json"
    listing.write_text(json.dumps(dict.fromkeys(names, 3)))
    assert jars_available(tmp_path)
    assert [jar.name for jar in jars.kafka_jars(tmp_path)] == names
    (tmp_path / names[7]).write_bytes(b"cut")
    assert jars_available(tmp_path)
    (tmp_path / names[7]).write_bytes(b"c")
    assert not jars_available(tmp_path)


def test_a_cache_that_cannot_be_written_says_so() -> None:
    with pytest.raises(KafkaUnavailable, match="writable cache folder"):
        jars.kafka_jars(Path("/proc/nothing"))


def test_the_java_found_is_new_enough() -> None:
    version = java_version(find_java())
    assert version is not None
    assert version >= 17


def test_a_program_that_is_no_java_has_no_version() -> None:
    other = shutil.which("true")
    assert other is not None
    assert java_version(Path(other)) is None
    assert java_version(Path("/nowhere/java")) is None


def test_without_network_the_message_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from connectors.kafka.jars import *; kafka_jars(Path(sys.argv[1]))"
    nowhere = "http://127.0.0.1:9"  # a proxy that nobody runs: no request leaves this machine
    environment = {"HOME": str(tmp_path), "M2_REPO": str(tmp_path / "m2"), "PATH": "/usr/bin:/bin"}
    environment |= {"https_proxy": nowhere, "http_proxy": nowhere, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, str(tmp_path / "cache")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("connectors.kafka.jars.KafkaUnavailable: Apache Kafka")
    assert "cannot be fetched" in last
    assert "name a broker under [kafka]" in last
