"""Names of a package that are imported when they are first asked for.

Settings are read by every command, processors (numpy, pyarrow, river) only by the process that runs them; and the
process of the gate never loads a learner.
"""

import importlib
from collections.abc import Callable
from typing import Any


def on_demand(package: str, **modules: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package (PEP 562) whose names live in the modules of it that are named here."""

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return find
