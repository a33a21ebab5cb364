"""`flyball report`: what the loop was worth, by its own hold-out."""

import sys
from pathlib import Path

import click

from streams.cli.options import config_option, json_option, print_json
from streams.cli.proof_text import print_proof
from streams.operate.loop_place import LoopPlace
from streams.operate.proof import prove
from streams.operate.runs import open_run


@click.command()
@config_option
@click.option(
    "--log",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A run kept by `replay --save` or `simulate --save`, in the place of the one on Kafka.",
)
@json_option
def report(config: Path, log: Path | None, *, as_json: bool) -> None:
    """Say what the loop was worth: what its arm of the hold-out earns more than the frozen baseline, and than nothing.

    The lift rests on the draw of the arms alone, and its 95 % interval holds however often you look; each interval is
    95 % by itself, not all of them together. Beside it: what exploring and the hold-out cost, what actions and people
    cost, from when on the run as a whole had earned more than the baseline alone would have, and per pattern after how
    many decisions its lift was sure.

    A minute of people is priced by `price_of_minute` under [account]; without one, minutes are only counted. Exit 1
    where there is no hold-out to speak of.

    \b
    flyball report                      # the loop as it runs, from its Kafka
    flyball report --log run/           # or a copy of that run
    """  # noqa: D301  # click reads the character, not the letters
    place = LoopPlace.open(config)
    with open_run(place, log) as (run, _):
        found = prove(run, place.settings)
    if as_json:
        print_json(found)
    else:
        print_proof(found)
    sys.exit(0 if found.lifts else 1)
