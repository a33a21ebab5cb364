"""`flyball init, check, activate, keys`: the file, the keys, and letting the loop run."""

from pathlib import Path

import click
import msgspec

from schemas.errors import SettingsError
from schemas.keyfiles import PURPOSES, create_keys, keyring_text, load_keyring, revoke_key, rotate_key
from schemas.signing import Purpose
from streams.cli.options import config_option, json_option, orders_of, print_json, print_table, utc
from streams.operate.loop_place import LoopPlace
from streams.settings import EXAMPLE


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--name", help="The loop's name, the prefix of its topics.  [default: as in the example]")
def init(folder: Path, name: str | None) -> None:
    """Write a commented loop.toml into FOLDER and make the keys beside it. Nothing that exists is overwritten."""
    path = folder / "loop.toml"
    if path.exists():
        raise SettingsError([f"{path} is there already; `flyball check -c {path}` reads it"])
    folder.mkdir(parents=True, exist_ok=True)
    text = EXAMPLE if name is None else EXAMPLE.replace('name = "my-loop"', f'name = "{name}"', 1)
    path.write_text(text, encoding="utf-8")
    place = LoopPlace.open(path)
    create_keys(place.keys)
    click.echo(f"wrote {path} and {len(PURPOSES)} keys in {place.keys}")
    click.echo(f"keep {place.keys / 'root.key'} off the machines that run the loop once it is in earnest")
    click.echo(f"next: edit {path}, then `flyball check -c {path}` and `flyball run -c {path}`")


@click.command()
@config_option
@json_option
def check(config: Path, *, as_json: bool) -> None:
    """Read the loop.toml and say everything that is wrong, each with its line; exit 2 if anything is."""
    try:
        place = LoopPlace.open(config)
    except SettingsError as error:
        if as_json:
            print_json({"valid": False, "problems": error.problems})
            raise SystemExit(2) from error
        raise
    if as_json:
        print_json({"valid": True, "settings_hash": place.settings.settings_hash})
    else:
        click.echo(f"{config}: valid; loop {place.loop}, settings {place.settings.settings_hash[:12]}")


@click.command()
@config_option
@click.option("--as", "person", help="Who activates.  [default: the user's name]")
def activate(config: Path, person: str | None) -> None:
    """Publish the signed keyring and the hash of the settings, and let the loop run.

    The gate allows nothing under settings that nobody activated.
    """
    place = LoopPlace.open(config)
    settings_hash = place.settings.settings_hash
    orders_of(place, person).activate(settings_hash=settings_hash, keyring_text=keyring_text(place.keys))
    click.echo(f"activated: loop {place.loop} runs under settings {settings_hash[:12]}")


@click.group()
def keys() -> None:
    """List, rotate or revoke the keys that sign what carries authority; the root key signs the list of them."""


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
        [key.id, key.subject, ", ".join(key.purposes), utc(key.not_after_us), "revoked" if key.revoked else "valid"]
        for key in keyring.keys
    ]
    print_table(f"keyring, version {keyring.version}", ["key", "subject", "signs", "until", "state"], rows)


@keys.command("rotate")
@config_option
@click.argument("purpose", type=click.Choice(PURPOSES))
def keys_rotate(config: Path, purpose: Purpose) -> None:
    """Replace the key of one purpose; `flyball activate` then tells everyone."""
    keyring = rotate_key(LoopPlace.open(config).keys, purpose)
    click.echo(f"rotated {purpose}; keyring version {keyring.version}; `flyball activate` publishes it")


@keys.command("revoke")
@config_option
@click.argument("key_id")
def keys_revoke(config: Path, key_id: str) -> None:
    """Withdraw the trust in one key; `flyball activate` then tells everyone."""
    keyring = revoke_key(LoopPlace.open(config).keys, key_id)
    click.echo(f"revoked {key_id}; keyring version {keyring.version}; `flyball activate` publishes it")
