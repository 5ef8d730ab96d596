"""Does OpenVINO add up a program's 8-bit products exactly on this processor?

Without VNNI, its sums of uint8 times int8 saturate in pairs at 16 bits without a word. Weights of 7 bits stay below
that; a program that was compiled where 8 bits are exact has others.
"""

from typing import Any

import numpy as np

from services.zoo.runtimes.openvino_binding import binding

SAFE_CODE = 63
"""Two products of 255 and this stay within 16 bits."""


def adds_up(model: Any, settings: dict[str, object]) -> bool:
    """Whether the sums of an `openvino.Model` are exact here; a program without wide weights costs no trial."""
    return not _has_wide_weights(model) or _sums_are_exact(settings)


def _has_wide_weights(model: Any) -> bool:
    constants = (each for each in model.get_ops() if each.get_type_name() == "Constant")
    codes = (each.data for each in constants if each.get_element_type() == binding.Type.i8)
    return any(each.size and int(np.abs(each.astype(np.int16)).max()) > SAFE_CODE for each in codes)


def _sums_are_exact(settings: dict[str, object]) -> bool:
    """The worst case: every code at its limit."""
    # Imported here: where the blob is loaded, nothing is tried.
    from services.zoo.runtimes.openvino_package import openvino

    channels, code = 64, 127
    ops = openvino.opset13
    x = ops.parameter([1, channels, 4, 4], openvino.Type.f32)
    highest = float(255 * code * channels)
    values = ops.fake_quantize(x, 0.0, 255.0, 0.0, 255.0, 256)
    weights = ops.convert(ops.constant(np.full((channels, channels, 1, 1), code, np.int8)), "f32")
    scaled = ops.multiply(weights, ops.constant(np.ones((channels, 1, 1, 1), np.float32)))
    sums = ops.convolution(values, scaled, [1, 1], [0, 0], [0, 0], [1, 1])
    result = ops.fake_quantize(sums, 0.0, highest, 0.0, highest, 256)
    compiled = openvino.Core().compile_model(openvino.Model([result], [x], "sums"), "CPU", settings)
    found = compiled.create_infer_request().infer([np.full((1, channels, 4, 4), 255, np.float32)])[0]
    return bool(np.allclose(found, highest, rtol=1e-3))
