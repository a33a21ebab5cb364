"""`flyball keys`: whose signature counts for what. The root key signs the list, and `control` takes it to everyone."""

import os
import sys
from pathlib import Path

import click
import msgspec

from schemas.errors import BrokerError, SettingsError
from schemas.keyfiles import (
    PURPOSES,
    add_key,
    add_person,
    create_keys,
    keyring_text,
    load_keyring,
    revoke_key,
    rotate_key,
)
from schemas.keyring import PURPOSES_OF_ROLE, Role
from schemas.signing import Purpose
from schemas.sshsig import SshPublicKey
from streams.cli.confirming import confirm_keyring
from streams.cli.options import config_option, json_option, now_us, orders_of, print_json, print_table, utc
from streams.loop.durations import parse_duration
from streams.operate.loop_place import LoopPlace

ROLES: tuple[Role, ...] = tuple(PURPOSES_OF_ROLE)


@click.group()
def keys() -> None:
    """Say whose signature counts for what: keys of machines, one per purpose, and SSH keys of people, by their roles.

    Every change makes a keyring of a higher version, signed by the root key, and tells everyone on `control`.
    """


@keys.command("init")
@config_option
def keys_init(config: Path) -> None:
    """Make the root key, one key per purpose, and the keyring."""
    place = LoopPlace.open(config)
    create_keys(place.keys)
    click.echo(f"made keys in {place.keys}")


@keys.command("list")
@config_option
@json_option
def keys_list(config: Path, *, as_json: bool) -> None:
    """Show every public key, what it may sign and whether it still counts."""
    keyring = load_keyring(LoopPlace.open(config).keys)
    if as_json:
        print_json(msgspec.to_builtins(keyring))
        return
    rows = [
        [
            key.id,
            key.subject,
            ", ".join(key.roles) or "machine",
            ", ".join(key.may_sign()),
            utc(key.not_after_us),
            "revoked" if key.revoked else "valid",
        ]
        for key in keyring.keys
    ]
    print_table(f"keyring, version {keyring.version}", ["key", "subject", "role", "signs", "until", "state"], rows)


@keys.command("add")
@config_option
@click.argument("name")
@click.option("--ssh-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A person's .pub file.")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, help="What the person may do; repeat.")
@click.option("--for", "duration", help='How long the person\'s key counts, such as "90d".  [default: until revoked]')
@click.option("--purpose", type=click.Choice(PURPOSES), help="Make one more key of a machine, for this purpose.")
def keys_add(
    config: Path,
    name: str,
    *,
    ssh_key: Path | None,
    roles: tuple[Role, ...],
    duration: str | None,
    purpose: Purpose | None,
) -> None:
    """Let a person's SSH key count (--ssh-key and --role), or make a key for one more machine (--purpose).

    `approver` answers escalations; `operator` orders (pause, activate, ...) and proposes.
    """
    place = LoopPlace.open(config)
    if purpose is not None and ssh_key is None and not roles and duration is None:
        path = add_key(place.keys, purpose, name, os.environ)
        click.echo(f"made {path}: move it to {name}, as {purpose}.key")
    elif purpose is None and ssh_key is not None and roles:
        not_after_us = None if duration is None else now_us() + parse_duration(duration)
        public = SshPublicKey.parse(ssh_key.read_text())
        add_person(place.keys, name, public, roles=roles, not_after_us=not_after_us, environment=os.environ)
        click.echo(f"{name} ({public.fingerprint()}) is {' and '.join(roles)}")
    else:
        raise SettingsError(["expected --ssh-key and --role for a person, or --purpose alone for a machine"])
    _publish(place)


@keys.command("rotate")
@config_option
@click.argument("purpose", type=click.Choice(PURPOSES))
def keys_rotate(config: Path, purpose: Purpose) -> None:
    """Replace the key of one purpose: the former one counts no more, so start those that sign with it again."""
    place = LoopPlace.open(config)
    rotate_key(place.keys, purpose, os.environ)
    click.echo(f"rotated {purpose}: give {place.keys / f'{purpose}.key'} to who signs with it, and start that again")
    _publish(place, must=True)


@keys.command("revoke")
@config_option
@click.argument("key")
def keys_revoke(config: Path, key: str) -> None:
    """Withdraw the trust in KEY: the id of one key, or the name of a person for all of theirs.

    Gate and executors refuse it within 10 s; actions that it signed or approved and that still run are not tried again.
    Exit 0 when the gate and every executor confirmed, or none is there, 1 when one has not within 12 s, 6 when Kafka
    does not answer: then nobody knows yet. Who is not heard and holds no action is told of, no more.
    """
    place = LoopPlace.open(config)
    revoke_key(place.keys, key, os.environ)
    click.echo(f"revoked {key}")
    _publish(place, must=True)


@keys.command("publish")
@config_option
def keys_publish(config: Path) -> None:
    """Tell everyone the keyring as the folder has it, such as one that was changed where the root key is kept."""
    _publish(LoopPlace.open(config), must=True)


def _publish(place: LoopPlace, *, must: bool = False) -> None:
    """Tell everyone the keyring, and wait until all have heard it, exit 1 when somebody has not. Without Kafka say that
    nobody knows, and exit 6 where somebody `must`.
    """
    version = load_keyring(place.keys).version
    try:
        offset = orders_of(place).publish_keyring(keyring_text(place.keys))
    except BrokerError as error:
        click.echo(
            f"keyring version {version} is not published: {error}; `flyball keys publish` tells everyone", err=True
        )
        if must:
            sys.exit(6)
        return
    confirm_keyring(place, f"published keyring version {version}", offset=offset)
