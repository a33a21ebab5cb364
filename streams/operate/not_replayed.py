"""What another loop.toml says otherwise and no estimate takes into account: the loop's choices alone are made again."""

import msgspec
from msgspec.structs import replace

from streams.loop.policy.settings import PolicySettings
from streams.settings import Settings
from streams.settings.convert import shape_of, toml_name

CHOOSES = frozenset({"floor", "gamma", "optimism", "reward_prior", "ask_cost", "remembered", "values"})
"""The settings of the policy by which it chooses and learns at an onset; the others are about when it is asked, what it
is compared with, and lives."""


def not_replayed(settings: Settings, other: Settings) -> tuple[str, ...]:
    """Return the sections that differ and are not taken into account; of the policy the settings, as `policy.KEY`.

    Which actions there are, and what they cost, is known to the choice: they differ where one of both does otherwise.
    """
    mine, theirs = (msgspec.json.decode(one.canonical) for one in (settings, other))
    sections = [name for name in mine if name not in ("actions", "policy") and mine[name] != theirs.get(name)]
    keys = [
        f"policy.{toml_name(field)}"
        for field in shape_of(PolicySettings).fields
        if field.name not in CHOOSES and getattr(settings.policy, field.name) != getattr(other.policy, field.name)
    ]
    return tuple(sorted([*sections, *keys, *(["actions"] if _act_otherwise(settings, other) else [])]))


def _act_otherwise(settings: Settings, other: Settings) -> bool:
    both = settings.actions.keys() & other.actions.keys()
    return any(_unpriced(settings, name) != _unpriced(other, name) for name in both)


def _unpriced(settings: Settings, name: str) -> object:
    """Return an action without its cost, and without what carries it out, which does not matter to decisions."""
    return replace(settings.actions[name], cost=0.0, executor="")
