"""Loops over small arrays as machine code, ready when their module is imported: nothing is compiled within a step.

What is added up is added up one after another, so results are the same whatever vectors a processor has: `fastmath`
stays off, and inner loops run over what is independent.
"""

import logging
from collections.abc import Callable
from typing import TypeVar, cast

import numba
from numba.core.caching import FunctionCache

_LOG = logging.getLogger("flyball.kernels")
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function of a module for arguments of these types alone.

    Machine code is kept beside the source, or else in the user's cache (see numba's "Notes on caching"); where neither
    can be written, every process compiles for itself. What was kept of a function and cannot be read is made anew. A
    division by 0 gives what it gives in numpy.
    """

    def compile_for(function: Function) -> Function:
        try:
            made = _kept(signature, function)
        except Exception as error:  # no place, no room, half of a file
            made = _made_anew(signature, function, error)
        return cast("Function", made)

    return compile_for


def _kept(signature: str, function: Function) -> object:
    return numba.njit(signature, error_model="numpy", cache=True)(function)


def _made_anew(signature: str, function: Function, error: Exception) -> object:
    try:
        FunctionCache(function).flush()  # type: ignore[no-untyped-call]  # numba has no types
        made = _kept(signature, function)
    except Exception:  # still no place or no room: what is wrong with the function itself, shows below
        return numba.njit(signature, error_model="numpy")(function)
    _LOG.warning("machine code that was kept of %s was broken and is made anew: %r", function.__qualname__, error)
    return made
