"""How a scale is chosen: one algorithm a file, found by being in this folder (or in any imported module)."""

import importlib
import pkgutil

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample
from quant.errors import AlgorithmNotFound

__all__ = ["Algorithm", "Grid", "Scales", "ValueSample", "algorithm_named", "algorithm_names", "weight_algorithm_names"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def algorithm_names() -> list[str]:
    """All names, in alphabetical order."""
    return sorted(Algorithm.registered)


def weight_algorithm_names() -> list[str]:
    """Those that choose scales of weights, in alphabetical order."""
    return [name for name in algorithm_names() if not Algorithm.registered[name].weights_by]


def algorithm_named(name: str) -> Algorithm:
    """Find an algorithm.

    Raises:
        AlgorithmNotFound: no algorithm has that name.
    """
    if name not in Algorithm.registered:
        raise AlgorithmNotFound(f"no algorithm is called {name!r}; there are: {', '.join(algorithm_names())}")
    return Algorithm.registered[name]()
