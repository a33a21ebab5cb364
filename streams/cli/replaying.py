"""`flyball replay, profiles`: a run taken again, as it was or under other settings."""

import sys
from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.topics import ROLES
from streams.cli.differences import print_difference, print_profiles
from streams.cli.options import config_option, json_option, print_json
from streams.operate.loop_place import LoopPlace
from streams.operate.recorded_run import About, save_run
from streams.operate.replaying import replay_loop
from streams.operate.runs import KafkaRun, open_run
from streams.operate.what_if import what_if
from streams.settings import NAMES, Settings, load, load_written_presets

from_option = click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A run kept by --save, in the place of the one on Kafka.",
)


@click.command()
@config_option
@click.option("--role", type=click.Choice(ROLES), help="Only this role.  [default: all]")
@click.option(
    "--settings",
    "other",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another loop.toml: show what the gate would have decided under it.",
)
@from_option
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Only keep a copy of what the gate read and said in this new folder, for --from.",
)
@click.option(
    "--show", type=click.IntRange(min=0), default=10, show_default=True, help="How many differences to print."
)
@json_option
def replay(
    config: Path,
    role: str | None,
    other: Path | None,
    *,
    folder: Path | None,
    save: Path | None,
    show: int,
    as_json: bool,
) -> None:
    """Fold every step of the journals again, on the inputs read back by offset, and compare the outputs' digests.

    The audit chain is followed from its first link to its last. Exit 0 when not a bit differs and the chain holds, 1
    when something does not; what retention removed is named, not guessed.

    With --settings the recorded proposals are put to a gate with the limits, levels and actions of another file, as if
    that had been activated: which verdicts change, by kind and reason, which actions are added and removed, and what
    that was worth by the run's own rewards. Differences are the answer then: exit 0; 1 where nothing
    can be compared.

    `flyball replay --save run/` takes a run elsewhere: `flyball replay --from run/ --settings stricter.toml` needs no
    Kafka.
    """
    place = LoopPlace.open(config)
    if save is not None:
        if role is not None or other is not None or folder is not None:
            raise SettingsError(["--save stands alone: it only copies"])
        _save(place, save)
    elif other is not None:
        if role is not None:
            raise SettingsError(["--settings is about the gate: --role cannot be given beside it"])
        _replay_other(place, other, folder, show, as_json=as_json)
    elif folder is not None:
        raise SettingsError(["--from needs --settings: a copy holds what the gate read and said, no other role's part"])
    else:
        _replay_same(place, role, show, as_json=as_json)


@click.command()
@config_option
@from_option
@json_option
def profiles(config: Path, folder: Path | None, *, as_json: bool) -> None:
    """Put the recorded proposals to the gate under each profile (risk, speed, cost): what switching would change.

    One table: actions added and removed, questions to people, the effect on the sum of rewards as the run's own
    rewards tell it (with a 95 % interval), and what the actions would have cost. `profile` under [loop] in loop.toml
    chooses one; a key that the file writes out is the same under all of them.
    """
    place = LoopPlace.open(config)
    written = load_written_presets(config)
    others: dict[str, Settings] = {name: load(config, profile=name) for name in NAMES}
    with open_run(place, folder) as (run, make_decode):
        found = what_if(run, place.settings, others, make_decode=make_decode)
    if as_json:
        print_json({"in_force": place.settings.loop.profile, "written_keys": written, "profiles": found})
    else:
        print_profiles(found, in_force=place.settings.loop.profile, written=written)


def _save(place: LoopPlace, folder: Path) -> None:
    about = About(loop=place.loop, cluster=place.audience().cluster)
    with KafkaRun(place.connection(), place.loop) as run:
        count = save_run(run, folder, about, keys=place.keys)
    click.echo(f"kept {count} records of {place.loop} in {folder}")


def _replay_same(place: LoopPlace, role: str | None, show: int, *, as_json: bool) -> None:
    found = replay_loop(place, ROLES if role is None else (role,))
    if as_json:
        print_json(found)
    else:
        for line in found.roles:
            click.echo(f"{line.role}: {line.steps} steps, {line.differences} differences{line.remark}")
        for mismatch in found.mismatches[:show]:
            click.echo(f"  {mismatch.role}/{mismatch.partition} step {mismatch.step}: {mismatch.detail}")
        if found.audit is not None:
            click.echo(f"audit: {found.audit}")
        click.echo(f"{found.steps} steps replayed, {found.differences} differences")
    sys.exit(0 if found.proves_the_run else 1)


def _replay_other(place: LoopPlace, other: Path, folder: Path | None, show: int, *, as_json: bool) -> None:
    others = {str(other): LoopPlace.open(other).settings}
    with open_run(place, folder) as (run, make_decode):
        (found,) = what_if(run, place.settings, others, make_decode=make_decode)
    if as_json:
        print_json(found)
    else:
        print_difference(found, show=show)
