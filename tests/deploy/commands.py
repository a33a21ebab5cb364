"""Ask the real command line whether it has a command with these options, without running it."""

import click

from streams.cli.main import flyball


def runs(arguments: list[str]) -> str | None:
    """Return what is wrong with the arguments, or None when they parse down to a command."""
    command: click.Command = flyball
    rest = list(arguments)
    try:
        while isinstance(command, click.Group):
            context = click.Context(command)
            name, found, rest = command.resolve_command(context, rest)
            if found is None:
                return f"no command {name}"
            command = found
        command.make_context(command.name, rest)
    except click.UsageError as error:
        return error.format_message()
    return None
