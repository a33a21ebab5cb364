"""`flyball evaluate`: what other policies would have earned, without running them."""

import sys
from pathlib import Path

import click

from schemas.errors import SettingsError
from streams.cli.options import config_option, json_option, print_json, print_table
from streams.operate.evaluation import NAMED, VALUES, Evaluated, Evaluation
from streams.operate.evaluation import evaluate as evaluate_run
from streams.operate.loop_place import LoopPlace
from streams.operate.runs import open_run
from streams.settings import Settings, load

COLUMNS = ["policy", "reward", "95 % interval", "against running", "SNIPS", "IPS", "differs", "evidence"]
UNKNOWN = (
    "what the loop would have learned otherwise: it is followed as it learned, from what it did itself",
    "what another attempt on an episode, or a person, would have done instead: it counts as it was, waiting included",
    "what limits would have had left, had something else been done before: they count as they were met",
    "how rewards that nobody saw differ from those of decisions alike",
)
"""What no log can tell, said below every answer."""


@click.command()
@config_option
@click.argument("policies", metavar="[POLICY]...", nargs=-1)
@click.option(
    "--log",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A run kept by `replay --save` or `simulate --save`, in the place of the one on Kafka.",
)
@json_option
def evaluate(config: Path, policies: tuple[str, ...], log: Path | None, *, as_json: bool) -> None:
    """Estimate what each POLICY would have earned per decision of a recorded run, without running it.

    \b
    running     the loop's own choices, without its hold-out
    none        doing nothing
    baseline    the baseline's action, wherever limits do not block it
    FILE        the loop's choices under the [policy] of another loop.toml
    [default: the first three]

    Decisions are weighed by what really happened and how likely that was: limits, refusals and people stand between any
    policy and what happens, and stay as they were; what the gate denies because another action looks better meets that
    only where the policy explores. The reward (in [0, 1] less the action's cost in the run) is doubly robust; its 95 %
    interval holds however often you look, until older decisions fall out of the latest 50,000 (fewer from five actions
    on), entities counted as wholes; each interval is 95 % by itself, not all of them together. "against running" is
    what the policy earns more than the loop's own choices ("-": the log cannot tell what those earn): where that
    interval is above 0, switching pays. SNIPS and IPS are plainer estimates of the same; far from the first they warn.
    "differs" is the share of what happens that would be something else, "evidence" how many decisions' worth of rewards
    speak for that.

    Where the log cannot tell, there is no number but the reason, and what would make it answerable. Exit 0 where any
    POLICY was answered, 1 where none was.

    \b
    flyball evaluate                        # the loop as it runs, from its Kafka
    flyball replay --save run/              # or a copy of that run, for a machine without
    flyball evaluate none bolder.toml --log run/
    """  # noqa: D301  # click reads the character, not the letters
    place = LoopPlace.open(config)
    asked = tuple(dict.fromkeys(policies or NAMED))
    others = {name: _load(name) for name in asked if name not in NAMED}
    with open_run(place, log) as (run, _):
        found = evaluate_run(run, place.settings, asked, others)
    if as_json:
        print_json(found)
    else:
        _print(found)
    sys.exit(0 if any(not one.refused for one in found.policies) else 1)


def _load(name: str) -> Settings:
    path = Path(name)
    if not path.is_file():
        raise SettingsError([f"POLICY: expected {', '.join(NAMED)} or the path of a loop.toml, got {name!r}"])
    return load(path)


def _print(found: Evaluation) -> None:
    earned = "none of them" if found.earned is None else f"{found.rewards} of them, {found.earned:.3f} on average"
    click.echo(
        f"{found.decisions} decisions of {found.entities} entities that have ended; rewards are known of {earned}"
    )
    for line in _left_out(found):
        click.echo(f"left out: {line}")
    answered = [one for one in found.policies if not one.refused]
    if answered:
        print_table("reward per decision, costs taken off", COLUMNS, [_row(one) for one in answered])
    for one in found.policies:
        if one.refused:
            click.echo(f"{one.policy}: the log cannot tell: {one.refused}")
            click.echo(f"  what would: {one.remedy}")
        elif one.decisions < found.decisions:
            click.echo(f"{one.policy}: by the {one.decisions} decisions at which its choices can be followed")
        others = [name for name in one.not_replayed if name != VALUES]
        if others:
            click.echo(f"{one.policy} differs in what is not looked at, too: {', '.join(others)}")
        if VALUES in one.not_replayed:
            click.echo(f"{one.policy}: {VALUES} has metrics that the log does not always hold: left out there")
    if answered:
        click.echo("no log can tell:")
        for line in UNKNOWN:
            click.echo(f"  - {line}")


def _row(one: Evaluated) -> list[str]:
    return [
        one.policy,
        _number(one.reward),
        f"{_number(one.low)} to {_number(one.high)}",
        _against(one),
        _number(one.snips),
        _number(one.ips),
        f"{one.differs:.0%}",
        f"{one.effective:,.0f} of {one.decisions:,}",
    ]


def _against(one: Evaluated) -> str:
    if one.policy == NAMED[0] or one.better is None:
        return "-"
    return f"{one.better:+.3f} ({one.better_low:+.3f} to {one.better_high:+.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _left_out(found: Evaluation) -> list[str]:
    counted = {
        "decisions that have not ended, or came after one that may yet": found.open,
        "decisions of people": found.by_people,
        "repeats: other attempts on an episode, which count as what became of the first": found.repeats,
        "decisions under another baseline than this loop.toml's, or before one of those": found.before,
        "decisions older than what is looked at": found.older,
    }
    return [f"{count} {what}" for what, count in counted.items() if count]
