"""Run Keras' NASNetMobile with random weights: `keras_nasnet.py FOLDER`, an `.npz` in FOLDER for each of CASES.

A process of its own, because Keras chooses its backend when it is imported. A file holds `weights/LAYER/VARIABLE`,
`pictures` [N, H, W, 3], `output` and `parameters`, their number.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (H, W, with the classifier on top): even sizes as published, then an odd height and a width that turns odd later.
CASES = {"scores": (224, 224, True), "features": (131, 98, False)}


def main(folder: Path) -> None:
    os.environ["KERAS_BACKEND"] = "jax"
    # What runs once need not run fast: most of the time would go into making programs faster.
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    import jax
    from keras.applications import NASNetMobile
    from keras.initializers import VarianceScaling

    # All weights are replaced below; drawing them first would compile a program for each shape, for 20 seconds.
    VarianceScaling.__call__ = lambda _self, shape, **_: np.zeros(shape, np.float32)
    for name, (height, width, top) in CASES.items():
        model = NASNetMobile((height, width, 3), include_top=top, weights=None, classifier_activation=None)
        generator = np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for layer in model.layers:
            for variable in layer.weights:
                value = _draw(variable.name, variable.shape, generator)
                variable.assign(value)
                arrays[f"weights/{layer.name}/{variable.name}"] = value
        arrays["pictures"] = generator.standard_normal((2, height, width, 3), np.float32)
        values = [
            [each.value for each in group] for group in (model.trainable_variables, model.non_trainable_variables)
        ]
        run = jax.jit(lambda *arguments, model=model: model.stateless_call(*arguments, training=False)[0])
        arrays["output"] = np.asarray(run(*values, arrays["pictures"]))
        arrays["parameters"] = np.array(model.count_params())
        np.savez(folder / f"{name}.npz", **arrays)


def _draw(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw every kind of variable, so that none can be swapped or forgotten unseen; scaled so that signals live."""
    noise = generator.standard_normal(shape, np.float32)
    if name in ("moving_variance", "gamma"):
        noise = (0.5 + np.abs(noise) / 2).astype(np.float32)
    elif name in ("beta", "moving_mean", "bias"):
        noise *= 0.1
    else:
        noise /= np.sqrt(np.prod(shape[:2] if name == "depthwise_kernel" else shape[:-1]), dtype=np.float32)
    return noise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
