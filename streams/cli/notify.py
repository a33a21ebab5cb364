"""`flyball notify`: tell people what they are asked, and what is left to them."""

import os
from pathlib import Path

import click

from connectors.notify.notices import Notice, Notices
from connectors.notify.sender import Sender
from connectors.notify.settings import NotifySettings
from schemas.errors import SettingsError
from streams.cli.options import config_option, now_us, reader_of, stop_on_signals, utc, wait_for_kafka
from streams.operate.loop_place import LoopPlace
from streams.operate.notifying import PLACE_FILE, tell_people
from streams.settings import world_settings


@click.command()
@config_option
def notify(config: Path) -> None:
    """Send a message to the webhook of [notify] for every escalation that waits for people, until Ctrl-C, and for every
    entity on which the allowed actions did not hold.

    At most `hourly` in an hour, then one that says so; and one, in an hour, where the gate may ask no more. What does
    not arrive is sent again until it is over. The body is Slack's, the headers are those of Standard Webhooks.
    """
    place = LoopPlace.open(config)
    settings = world_settings(NotifySettings, place.settings, section="notify")
    if not settings.wanted:
        raise SettingsError([f"{config}: expected the address of a webhook, [notify] url or url_env"])
    sender = Sender.of(settings, folder=place.config.parent, environment=os.environ, seed=place.settings.loop.seed)
    audience = wait_for_kafka(place)
    stop = stop_on_signals()

    def send(notice: Notice) -> bool:
        failure = sender.send(notice, stop)
        first = notice.text.partition("\n")[0]
        again = f"not told ({failure}), tried again until {utc(notice.until_us)}: {first}"
        click.echo(f"told: {first}" if failure is None else again, err=failure is not None)
        return failure is None

    tell_people(
        reader_of(place),
        Notices(loop=place.loop, hourly=settings.hourly),
        send,
        audience=audience,
        place_file=place.data / PLACE_FILE,
        window_us=place.settings.gate.approval_window_us,
        clock_us=now_us,
        stop=stop,
    )
