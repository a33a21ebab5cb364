"""JSON Schema and AsyncAPI 3 of the contract, generated from event types and topic registry, kept beside this file.

`python -m schemas.documents` writes them anew; a test says when they are out of date.
"""

import json
from pathlib import Path
from typing import Any

from .generate import asyncapi, json_schema

FOLDER = Path(__file__).parent
FILES = {"flyball.schema.json": json_schema, "asyncapi.json": asyncapi}


def documents() -> dict[str, str]:
    """Return the text of every document by its file name."""
    return {name: _text(make()) for name, make in FILES.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every document into a folder."""
    for name, text in documents().items():
        (folder / name).write_text(text)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
