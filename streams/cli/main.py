"""The command `flyball`: its groups, its errors and its exit codes."""

import importlib
import os
import platform
import sys

import click

from schemas.errors import BrokerError, FencedError, FlyballError, SettingsError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Watch live services fail and the loop repair them"),
    "init": ("project", "Write a commented loop.toml and make the keys"),
    "check": ("project", "Say everything that is wrong with a loop.toml"),
    "activate": ("project", "Sign the settings and let the loop run"),
    "keys": ("keys", "List, add, rotate or revoke keys, of machines and of people"),
    "kafka": ("cluster", "Run an Apache Kafka on this machine"),
    "topics": ("cluster", "Show, create or align the loop's topics"),
    "run": ("run", "Run the stream processors"),
    "world": ("run", "Run the lab: live services that fail in recurring ways"),
    "executor": ("run", "Consume actions and carry them out"),
    "notify": ("notify", "Tell people by webhook what they are asked"),
    "publish": ("data", "Send telemetry from a CSV, NDJSON or Parquet file"),
    "actions": ("data", "Follow the actions that the gate let through"),
    "outcomes": ("data", "Follow what became of actions"),
    "approvals": ("people", "List escalations that wait for people"),
    "approve": ("people", "Approve an escalation with your SSH key"),
    "reject": ("people", "Reject an escalation with your SSH key"),
    "propose": ("people", "Propose an action yourself; the gate checks it like any other"),
    "pause": ("ordering", "Stop new actions, and confirm that everyone heard"),
    "resume": ("ordering", "Let actions go on, and confirm that everyone heard; spent limits stay spent"),
    "stop": ("ordering", "Stop new actions until rearm; resume does not lift it"),
    "rearm": ("ordering", "Lift a stop, and close breakers that opened by themselves"),
    "status": ("status", "Say what every role, limit and executor is doing"),
    "doctor": ("doctor", "Look at everything that can be wrong, and say what to do about it"),
    "inflight": ("night", "List actions without an end"),
    "cancel": ("night", "Forbid the start and further attempts of one action"),
    "settle": ("night", "Say how an action ended, where its executor does not"),
    "limits": ("night", "Show every limit, and what blocks now"),
    "levels": ("night", "Show how far each action may go by itself"),
    "level": ("night", "Set how far an action may go by itself"),
    "explain": ("stories", "Tell the story of an episode, proposal, verdict, action or outcome"),
    "why": ("stories", "Say what is being done about an entity, and why not more"),
    "recover": ("recovery", "Go on after lost inputs, knowingly"),
    "replay": ("replaying", "Re-derive every step of a run from its journal and compare, or under other settings"),
    "profiles": ("replaying", "Show what each profile would have made of the recorded run"),
    "report": ("reporting", "Say what the loop was worth, over the baseline and over doing nothing"),
    "evaluate": ("evaluating", "Estimate what other policies would have earned, from the log alone"),
    "dead-letters": ("recovery", "List, show or retry what could not be used"),
    "reset": ("recovery", "Delete the loop's topics and start afresh"),
    "simulate": ("offline", "Run the loop against a simulated fleet, without Kafka"),
    "backtest": ("offline", "Run a loop.toml over a file, without Kafka"),
}
"""Command to the module of this package that holds it, and what it is for. Modules load when their command runs."""


SAME_BITS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
SAME_BITS_ON_X86 = {"OPENBLAS_CORETYPE": "Haswell"}
"""A step must fold to the same bits on every machine of a loop: threads and BLAS kernels change the last ones."""


class LazyCommands(click.Group):
    """Loads the module of a command when it is called, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flyball")
def flyball() -> None:
    """Close the loop from insight to action: telemetry in, rate-limited repairs out, outcomes back into the models.

    Begin with `flyball demo`, or with `flyball init`, `flyball run` and `flyball publish` for data of your own.
    """


def main() -> None:
    """Run the command line; the exit code says what a supervisor or a person can do.

    2: the settings or the call are wrong, 3: another process owns this work, 6: Kafka does not answer (later it may),
    1: anything else. Workers have codes of their own (`streams.runtime.exits`).
    """
    pin_arithmetic()
    try:
        flyball(standalone_mode=False)
    except click.exceptions.Abort:
        _fail("stopped", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SettingsError as error:
        _fail(str(error), 2)
    except BrokerError as error:
        _fail(str(error), 6)
    except FencedError as error:
        _fail(str(error), 3)
    except FlyballError as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        sys.exit(0)


def pin_arithmetic() -> None:
    """Fix threads and BLAS kernel, where nobody chose, for this process and all that it starts.

    It comes before any module of a command loads, for numpy and polars look only once.
    """
    pinned = SAME_BITS | (SAME_BITS_ON_X86 if platform.machine() in ("x86_64", "AMD64") else {})
    for name, value in pinned.items():
        os.environ.setdefault(name, value)


def _fail(text: str, code: int) -> None:
    click.echo(text, err=True)
    sys.exit(code)
