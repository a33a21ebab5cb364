"""What hands over a loop's actions on this machine, held by all that the loop's file says of executors."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from connectors.executors.settings import ExecutorsSettings
from schemas.client import ActionConsumer
from schemas.keyfiles import load_signer, load_trust
from schemas.signing import Audience
from streams.loop.limits import parse_limits
from streams.operate.loop_place import LoopPlace
from streams.settings import world_settings

NOTHING: Mapping[str, str] = MappingProxyType({})


def action_consumer(
    place: LoopPlace,
    *,
    group: str,
    executor: str,
    audience: Audience | None = None,
    environment: Mapping[str, str] = NOTHING,
) -> ActionConsumer:
    """Return it, not started: with the stop file, the approvals of each action, and the own limit of starts.

    `executor` names this instance, the same after a restart; its memory is a folder of its own. `audience` is asked of
    Kafka where it is not given; `environment` is where a key may be instead of in its file.
    """
    audience = audience or place.audience()
    limits = parse_limits(world_settings(ExecutorsSettings, place.settings, section="executors").limit)
    return ActionConsumer(
        place.connection(),
        audience=audience,
        trust=load_trust(place.keys),
        signer=load_signer(place.keys, "outcomes", audience, environment),
        group=group,
        executor=executor,
        store=place.data / "executor" / quote(executor, safe=""),
        approvals_least={one.name: one.approvals for one in place.settings.actions.values() if one.approvals > 1},
        stop_file=place.stop_file.path,
        start_limits=tuple((limit.count, limit.interval_us) for limit in limits),
    )
