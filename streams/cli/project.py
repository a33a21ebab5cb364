"""`flyball init, check, activate`: the file, and letting the loop run."""

from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.keyfiles import PURPOSES, create_keys, keyring_text
from streams.cli.confirming import confirm_activated
from streams.cli.options import config_option, json_option, key_option, now_us, orders_of, print_json, reader_of
from streams.operate.confirming import still_stopped
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
@click.option("--as", "person", help="Who activates, where no --key tells.  [default: the user's name]")
@key_option
def activate(config: Path, person: str | None, key: Path | None) -> None:
    """Publish the signed keyring and the hash of the settings, and let the loop run, unless it is paused or stopped.

    The gate allows nothing under settings that nobody activated; who activated them cannot alone approve what they ask
    people about. A pause or stop in force stays so, and is told: `flyball resume` or `flyball rearm` lifts it.

    Exit 0 when the gate and every executor confirmed, or none is there, 1 when one has not within 12 s, or when the
    gate runs under other settings: the orders stand. Who is not heard and holds no action is told of, no more.
    """
    place = LoopPlace.open(config)
    settings_hash = place.settings.settings_hash
    paused = "pause/loop" in still_stopped(reader_of(place), "loop", now_us=now_us())
    offsets = orders_of(place, person, key).activate(
        settings_hash=settings_hash, keyring_text=keyring_text(place.keys), let_run=not paused
    )
    confirm_activated(place, f"activated settings {settings_hash[:12]} of loop {place.loop}", offsets=offsets)
