"""The executor of the lab: asks the world's control endpoint for the action."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from connectors.executors.handler import Handler, Result, State
from connectors.lab.control import ask
from connectors.lab.faults import ACTIONS
from schemas.events import Action

_STATES: dict[str, State] = {"succeeded": "succeeded", "failed": "failed", "refused": "refused"}


class LabHandler:
    """Does one action of the lab. Idempotent: the lab answers an action id it knows with the first answer."""

    idempotent = True

    def __init__(self, control_file: Path) -> None:
        self._control_file = control_file

    def run(self, action: Action, *, timeout_s: float) -> Result:
        try:
            reply = ask(
                self._control_file, id=action.id, entity=action.entity, action=action.action, timeout_s=timeout_s
            )
        except (FileNotFoundError, ConnectionRefusedError) as error:
            return Result(state="failed", detail=f"the lab does not run: {error}", begun=False)
        except (OSError, msgspec.DecodeError) as error:
            return Result(state="unknown", detail=f"the lab did not answer: {error}")
        return Result(state=_STATES.get(reply.state, "unknown"), detail=reply.detail)


def lab_handlers(control_file: Path) -> Mapping[str, Handler]:
    """Return a handler for every action that the lab offers."""
    handler = LabHandler(control_file)
    return dict.fromkeys(ACTIONS, handler)
