"""What river asks of a regressor: the names of its checks (`river.checks.common`), and data to run them on."""

import numpy as np
from river import base
from river.checks import common

GENERAL = (
    "repr", "str", "tags", "clone_same_class", "clone_is_idempotent", "init_has_default_params_for_tests",
    "init_default_params_are_not_mutable", "doc", "clone_changes_memory_addresses", "mutate_can_be_idempotent",
    "pickling_supports_roundtrip", "repr_roundtrips_clone", "get_params_matches_signature",
)  # fmt: skip
WITH_DATA = (
    "learn_one", "pickling", "shuffle_features_no_impact", "emerging_features", "disappearing_features",
    "radically_disappearing_features", "predict_one_pure", "predict_one_before_any_learn",
    "no_state_aliasing_with_input", "clone_is_independent", "seeding_is_idempotent",
)  # fmt: skip
CONVENTIONS = (*GENERAL, *WITH_DATA)


def check_convention(name: str, model: base.Regressor) -> None:
    """Run one of the checks on a fresh model."""
    check = getattr(common, f"check_{name}")
    if name in GENERAL:
        check(model)
        return
    rows = np.random.default_rng(3).normal(0, 1, (80, 3)).tolist()
    check(model, dataset=[(dict(zip("xyz", row, strict=True)), row[0] - row[1]) for row in rows])
