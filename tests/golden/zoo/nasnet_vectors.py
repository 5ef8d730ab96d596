"""What Keras' NASNetMobile, which shares no code with ours, gives for weights and pictures that anyone can draw again.

    python -W ignore -m tests.golden.zoo.nasnet_vectors

writes nasnet.npz anew: of each of CASES `CASE/output` and `CASE/parameters`, their number.
"""

import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("nasnet.npz")
# (N, H, W, with the classifier on top): even sizes as published, then an odd height and a width that turns odd later.
CASES = {"scores": (2, 224, 224, True), "features": (2, 67, 50, False)}
_CELLS = ("stem_1", "stem_2", *"0123", "reduce_4", *"5678", "reduce_8", "9", "10", "11", "12")
_NAMES = {
    r"normal_conv_1|reduction_conv_1": "project.conv",
    r"normal_bn_1|reduction_bn_1": "project.norm",
    r"adjust_conv_projection": "adjust.conv",
    r"adjust_conv_([12])": r"adjust.conv\1",
    r"adjust_bn": "adjust.norm",
    r"separable_conv_([12])_reduction_left4": r"left5.\1",
    r"separable_conv_([12])_bn_reduction_left4": r"left5.norm\1",
    r"separable_conv_([12])_(?:normal|reduction)_([a-z]+\d)": r"\2.\1",
    r"separable_conv_([12])_bn_(?:normal|reduction)_([a-z]+\d)": r"\2.norm\1",
}
_VARIABLES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "kernel": "weight",
    "bias": "bias",
}


def draw(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw a variable by our name and shape, so that none can be swapped or forgotten unseen; signals live.

    From numpy's generator of old, whose numbers no version of numpy changes.
    """
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    last = name.rpartition(".")[2]
    if last == "running_var" or (last == "weight" and len(shape) == 1):
        noise = 0.5 + np.abs(noise) / 2
    elif last in ("bias", "running_mean"):
        noise *= 0.1
    else:
        noise /= np.sqrt(np.prod(shape[1:]))
    return noise.astype(np.float32)


def draw_pictures(case: str) -> NDArray[np.float32]:
    """[N, 3, H, W], as a normalised picture's numbers."""
    count, height, width, _ = CASES[case]
    return np.random.RandomState(0).standard_normal((count, 3, height, width)).astype(np.float32)


def _our_name(layer: str, variable: str) -> str:
    """Translate the name of a Keras variable."""
    if layer in ("stem_conv1", "stem_bn1"):
        return f"stem.{int(layer == 'stem_bn1')}.{_VARIABLES[variable]}"
    if layer == "predictions":
        return f"classifier.{_VARIABLES[variable]}"
    place, cell = re.fullmatch(r"(.+?)_(stem_\d|reduce_\d|\d+)", layer).groups()  # type: ignore[union-attr]
    pattern, new = next((pattern, new) for pattern, new in _NAMES.items() if re.fullmatch(pattern, place))
    ours = re.sub(pattern, new, place)
    if variable in ("depthwise_kernel", "pointwise_kernel"):
        block, number = ours.split(".")
        return f"cells.{_CELLS.index(cell)}.{block}.{variable.removesuffix('_kernel')}{number}.weight"
    return f"cells.{_CELLS.index(cell)}.{ours}.{_VARIABLES[variable]}"


def _as_keras(layer: str, variable: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw for Keras, whose kernels are [H, W, I, O] (depthwise: [H, W, C, 1]) where ours are [O, I, H, W]."""
    axes: tuple[int, ...] = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[len(shape)]
    if variable == "depthwise_kernel":
        axes = (2, 3, 0, 1)
    drawn = draw(_our_name(layer, variable), tuple(shape[axis] for axis in axes))
    return drawn.transpose(np.argsort(axes))


def main() -> None:
    # Keras reads it when it is imported.
    os.environ["KERAS_BACKEND"] = "jax"
    from keras.applications import NASNetMobile

    arrays: dict[str, Any] = {}
    for case, (_, height, width, top) in CASES.items():
        model = NASNetMobile((height, width, 3), include_top=top, weights=None, classifier_activation=None)
        for layer in model.layers:
            for variable in layer.weights:
                variable.assign(_as_keras(layer.name, variable.name, tuple(variable.shape)))
        arrays[f"{case}/output"] = np.asarray(model.predict(draw_pictures(case).transpose(0, 2, 3, 1)))
        arrays[f"{case}/parameters"] = np.array(model.count_params())
    np.savez(FILE, **arrays)


if __name__ == "__main__":
    main()
