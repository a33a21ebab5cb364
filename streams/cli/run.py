"""`flyball run, world, executor`: the processes of a loop."""

import os
import socket
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from connectors.executors.build import Handlers, Surroundings, executor_settings
from connectors.executors.lab import LabHandler
from connectors.executors.log import LogHandler
from connectors.executors.runner import run_executor
from connectors.executors.settings import ExecutorsSettings
from connectors.lab.faults import ACTIONS
from connectors.lab.run import run_world
from connectors.lab.settings import LabSettings
from connectors.lab.world import control_file
from connectors.notify.settings import NotifySettings
from connectors.processes.supervisor import Supervisor
from schemas.client import ActionConsumer
from schemas.keyfiles import load_signer
from schemas.signing import Audience
from schemas.topics import ROLES
from streams.app import make_worker
from streams.cli.options import config_option, orders_of, reader_of, stop_on_signals, wait_for_kafka
from streams.operate.action_consumer import action_consumer
from streams.operate.cluster import activate_if_new, keys_if_new, local_kafka, prepare_topics
from streams.operate.loop_place import LoopPlace
from streams.operate.processes import LOCAL_ROLES, flyball_command, role_commands
from streams.settings import world_settings


@click.command()
@config_option
@click.option("--role", type=click.Choice(ROLES), help="Run one worker of one role in this process.")
@click.option("--instance", help="Name of this worker, the same after a restart.  [default: host and role]")
@click.option("--health-port", type=int, help="Port for /metrics, /healthz and /readyz of one worker.")
@click.option("--with-ingest", is_flag=True, help="Also run `ingest`, for foreign messages on the topic `raw`.")
def run(config: Path, role: str | None, instance: str | None, health_port: int | None, *, with_ingest: bool) -> None:
    """Run the stream processors: all of them under a supervisor, or one worker of one --role.

    Without [kafka] in the file a broker is started on this machine, keys are made, and the loop is activated the
    first time. Ctrl-C stops everything within 10 s.
    """
    place = LoopPlace.open(config)
    if role is not None:
        sys.exit(_run_worker(place, role, instance or f"{socket.gethostname()}-{role}", health_port))
    roles = ("ingest", *LOCAL_ROLES) if with_ingest else LOCAL_ROLES
    stop = stop_on_signals()
    with ExitStack() as stack:
        if place.is_local:
            click.echo("starting Kafka on this machine (the first time fetches 43 MB)")
            address = stack.enter_context(local_kafka(place))
            click.echo(f"Apache Kafka {address.version} on {address.connection.bootstrap}")
            if keys_if_new(place):
                click.echo(f"made keys in {place.keys}")
            prepare_topics(place, place.connection())
            if activate_if_new(place, orders_of(place), reader_of(place)):
                click.echo("activated these settings (first run on this machine)")
        commands = role_commands(place.config, roles)
        if world_settings(NotifySettings, place.settings, section="notify").wanted:
            commands["notify"] = flyball_command("notify", "--config", str(place.config))
        supervisor = stack.enter_context(Supervisor(commands, logs=place.data / "logs", told=click.echo))
        click.echo(f"running {', '.join(commands)}; logs in {place.data / 'logs'}; Ctrl-C stops")
        stop.wait()
        click.echo(f"stopping; {supervisor.restarts} restarts")


@click.command()
@config_option
@click.option("--seconds", type=float, help="Stop after so long.  [default: until Ctrl-C]")
def world(config: Path, seconds: float | None) -> None:
    """Run the lab: a dozen live services under load that fail in recurring ways, publishing telemetry.

    Everything it starts ends with it; it never touches a process that it did not start.
    """
    place = LoopPlace.open(config)
    run_world(place.connection(), place.loop, lab_settings(place), seconds)


@click.command()
@config_option
@click.option("--kind", type=click.Choice(["file", "log", "lab"]), default="file", show_default=True, help="By what.")
@click.option("--name", help="Name of this executor, the same after a restart.  [default: host and kind]")
@click.option("--group", help="Executors of one group share the work.  [default: the kind]")
def executor(config: Path, kind: str, name: str | None, group: str | None) -> None:
    """Consume actions and carry them out, each by what the loop.toml says: `executor` of [actions.NAME], [executors].

    `--kind log` prints them all as JSON lines instead, `--kind lab` repairs the lab's services.
    """
    place = LoopPlace.open(config)
    audience = wait_for_kafka(place)
    name = name or f"{socket.gethostname()}-{kind}"
    settings = world_settings(ExecutorsSettings, place.settings, section="executors")
    consumer = action_consumer(place, group=group or kind, executor=name, audience=audience, environment=os.environ)
    names = tuple(ACTIONS) if kind == "lab" else tuple(place.settings.actions)
    chosen = {one: place.settings.actions[one].executor if kind == "file" else kind for one in names}
    with closing(Handlers(settings, chosen, _surroundings(place, audience, consumer))) as handlers, consumer:
        run_executor(
            consumer,
            handlers.by_action,
            stop=stop_on_signals(),
            settings=executor_settings(settings, chosen, seed=place.settings.loop.seed),
        )


def _surroundings(place: LoopPlace, audience: Audience, consumer: ActionConsumer) -> Surroundings:
    return Surroundings(
        folder=place.config.parent,
        environment=os.environ,
        connection=place.connection(),
        signer_for=lambda prefix: load_signer(place.keys, "outcomes", replace(audience, loop=prefix), os.environ),
        why_paused=consumer.why_paused,
        built_in={"log": LogHandler(sys.stdout), "lab": LabHandler(control_file(lab_settings(place)))},
    )


def lab_settings(place: LoopPlace) -> LabSettings:
    """Return the lab's settings; its folder is inside the loop's data folder unless the file names one."""
    found = world_settings(LabSettings, place.settings)
    return found if "folder" in place.settings.lab else msgspec.structs.replace(found, folder=str(place.data / "lab"))


def _run_worker(place: LoopPlace, role: str, instance: str, health_port: int | None) -> int:
    from streams.runtime.worker import run_worker  # noqa: PLC0415  # Faust loads in workers only

    audience = wait_for_kafka(place)
    spec = make_worker(
        place.settings,
        role=role,
        connection=place.connection(),
        audience=audience,
        keys=place.keys,
        data=place.data / "workers" / instance,
        instance=instance,
        health_port=health_port,
        stop_file=place.stop_file,
    )
    return run_worker(spec)
