"""Loops over small arrays as machine code, ready when their module is imported: nothing is compiled within a step.

What is added up is added up one after another, so results are the same whatever vectors a processor has: `fastmath`
stays off, and inner loops run over what is independent.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function of a module for arguments of these types alone.

    Machine code is kept beside the source, or else in the user's cache (see numba's "Notes on caching"); where neither
    can be written, every process compiles for itself. A division by 0 gives what it gives in numpy.
    """

    def compile_for(function: Function) -> Function:
        try:
            made = numba.njit(signature, error_model="numpy", cache=True)(function)
        except Exception:  # no place, no room, half of a file: what is wrong with the function itself, shows below
            made = numba.njit(signature, error_model="numpy")(function)
        return cast("Function", made)

    return compile_for
