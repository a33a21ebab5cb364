"""Write the access-control table of a loop in every form: `python -m connectors.kafka.access_files LOOP FOLDER`."""

import sys
from pathlib import Path

from connectors.kafka.access import access_rules, as_commands, as_json, as_markdown

_INTRO = """# Access control of the loop `{loop}`

Generated from the topic registry: `python -m connectors.kafka.access_files {loop} {folder}`. One principal per role;
what is not listed is refused (`allow.everyone.if.no.acl.found` must stay `false`). `operator` is a person at the
command line; `admin` creates topics; `recovery` is for `flyball recover` and has no use on an
ordinary day. `kafka-acls.sh` beside this file holds the same as commands.

"""


def access_files(loop: str, *, folder: str, bootstrap: str = "kafka:9092") -> dict[str, str]:
    """Return file name to text; `folder` is what the texts say about where they are."""
    rules = access_rules(loop)
    return {
        "access-control.md": _INTRO.format(loop=loop, folder=folder) + as_markdown(rules),
        "access-control.json": as_json(rules),
        "kafka-acls.sh": as_commands(rules, bootstrap=bootstrap),
    }


def main(loop: str, folder: str) -> None:
    """Write the files."""
    for name, text in access_files(loop, folder=folder).items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
