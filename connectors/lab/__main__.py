"""`python -m connectors.lab --config FILE`: run the lab as a process of its own."""

import argparse
from pathlib import Path

import msgspec

from connectors.lab.run import run_world
from connectors.lab.settings import LabSettings
from schemas.connection import KafkaConnection


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file holds, as TOML (or JSON, when it is named so). `seconds` 0: until stopped.

    `with_parent`: it also ends when the process that started it does.
    """

    loop: str
    kafka: KafkaConnection = KafkaConnection()
    lab: LabSettings = LabSettings()
    seconds: float = 0.0
    with_parent: bool = False


def main() -> None:
    """Read the file and run."""
    parser = argparse.ArgumentParser(prog="python -m connectors.lab", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML or JSON file with loop, kafka, lab, seconds")
    path: Path = parser.parse_args().config
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        config = decode(path.read_bytes(), type=Config)
    except msgspec.ValidationError as error:
        parser.error(f"{path}: {error}")
    run_world(config.kafka, config.loop, config.lab, config.seconds or None, with_parent=config.with_parent)


if __name__ == "__main__":
    main()
