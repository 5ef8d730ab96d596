"""From a cfg's sections to layers: every option read, every reference resolved, every shape worked out.

Source: the make_*_layer functions of github.com/pjreddie/darknet (September 2018); route groups, dilation, the sums and
products of several layers and what YOLOv4 brought from github.com/AlexeyAB/darknet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from quant import operations
from quant.activation import Activation
from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.cfg import Section
from services.zoo.darknet.structure import (
    Convolutional,
    DarknetLayer,
    Multiply,
    Network,
    Operation,
    Route,
    Shape,
    Shortcut,
    Skip,
)

_MOST_ELEMENTS = 2**31 - 1  # of one activation; Darknet counts them in a C int

_GREEDY_EXPONENT = 0.6  # box_diou in AlexeyAB's src/box.c

ACTIVATIONS = {
    "linear": Activation.NONE,
    "leaky": Activation.LEAKY,
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "logistic": Activation.SIGMOID,
    "mish": Activation.MISH,
    "swish": Activation.SILU,
}


@dataclass(frozen=True)
class _Place:
    """Where the next layer stands: its index, the layers before it, and the shape they gave."""

    input_shape: Shape
    layers: Sequence[DarknetLayer]

    @property
    def index(self) -> int:
        return len(self.layers)

    def shape_of(self, index: int) -> Shape:
        return self.input_shape if index == -1 else self.layers[index].shape

    @property
    def shape(self) -> Shape:
        return self.shape_of(self.index - 1)

    def resolve(self, section: Section, option: str, reference: int) -> int:
        """Turn a reference (negative: so many layers back) into a layer's index."""
        index = self.index + reference if reference < 0 else reference
        if not 0 <= index < self.index:
            reach = f"layers 0 to {self.index - 1} stand before it" if self.index else "no layer stands before it"
            raise section.fault(f"{reference} leads to layer {index}; this is layer {self.index} and {reach}", option)
        return index


_Read = tuple[Operation, tuple[int, ...], Shape]


def _steps(section: Section, side: int, size: int, stride: int, padding: int) -> int:
    """How many windows of `size` fit along a side that has `padding` pixels more in all."""
    if side + padding < size:
        raise section.fault(f"a window of {size} is larger than a side of {side} with padding {padding}", "size")
    return (side + padding - size) // stride + 1


def _activation(section: Section, default: str) -> Activation:
    word = section.word("activation", default)
    if word not in ACTIVATIONS:
        raise section.fault(f"unknown activation {word!r}; known are {', '.join(sorted(ACTIVATIONS))}", "activation")
    return ACTIVATIONS[word]


def _strides(section: Section) -> tuple[int, int]:
    """(along H, along W)."""
    stride = section.integer("stride", 1, least=1)
    return section.integer("stride_y", stride, least=1), section.integer("stride_x", stride, least=1)


def _convolutional(section: Section, place: _Place) -> _Read:
    shape = place.shape
    filters, groups = section.integer("filters", 1, least=1), section.integer("groups", 1, least=1)
    size, strides = section.integer("size", 1, least=1), _strides(section)
    padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0, least=0)
    dilation = section.integer("dilation", 1, least=1) if size > 1 else 1
    if dilation > 1 and (strides != (1, 1) or 2 * padding != size - 1):
        raise section.fault("is supported for odd sizes with pad=1 and stride=1", "dilation")
    if shape.channels % groups or filters % groups:
        raise section.fault(f"{groups} groups do not divide {shape.channels} channels into {filters} filters", "groups")
    normalized = bool(section.integer("batch_normalize", 0) or section.integer("cbn", 0))
    operation = Convolutional(
        filters,
        shape.channels,
        size,
        strides,
        dilation * padding,
        groups,
        normalized,
        _activation(section, "logistic"),
        dilation,
    )
    height, width = (
        _steps(section, side, size, stride, 2 * padding) for side, stride in zip(shape[1:], strides, strict=True)
    )
    return operation, (place.index - 1,), Shape(filters, height, width)


def _maxpool(section: Section, place: _Place) -> _Read:
    size, strides, padding, shape = _window(section, place)
    return operations.MaxPool((size, size), strides, padding), (place.index - 1,), shape


def _local_avgpool(section: Section, place: _Place) -> _Read:
    size, strides, padding, shape = _window(section, place)
    return operations.AvgPool((size, size), strides, padding), (place.index - 1,), shape


def _window(section: Section, place: _Place) -> tuple[int, tuple[int, int], operations.Padding, Shape]:
    """A pool's size, strides, padding (left, right, top, bottom), and the shape it gives."""
    strides = _strides(section)
    size = section.integer("size", section.integer("stride", 1), least=1)
    padding = section.integer("padding", size - 1, least=0)
    channels, *sides = place.shape
    counts = [_steps(section, side, size, stride, padding) for side, stride in zip(sides, strides, strict=True)]
    before = padding // 2
    starts = [(count - 1) * stride for count, stride in zip(counts, strides, strict=True)]
    if before >= size or any(start >= before + side for start, side in zip(starts, sides, strict=True)):
        raise section.fault(f"padding {padding} makes windows of {size} x {size} that hold no pixel", "padding")
    # Darknet's default padding often hangs over unused; what no window reaches is left out
    bottom, right = (max(0, start + size - before - side) for start, side in zip(starts, sides, strict=True))
    return size, strides, (before, right, before, bottom), Shape(channels, *counts)


def _avgpool(_: Section, place: _Place) -> _Read:
    return operations.GlobalAvgPool(), (place.index - 1,), Shape(place.shape.channels, 1, 1)


def _route(section: Section, place: _Place) -> _Read:
    inputs = tuple(place.resolve(section, "layers", reference) for reference in section.integers("layers"))
    groups, group = section.integer("groups", 1, least=1), section.integer("group_id", 0, least=0)
    if group >= groups:
        raise section.fault(f"there is no group {group} of {groups}; they count from 0", "group_id")
    shapes = [place.shape_of(index) for index in inputs]
    first = shapes[0]
    for index, shape in zip(inputs, shapes, strict=True):
        if (shape.height, shape.width) != (first.height, first.width):
            raise section.fault(
                f"layer {index} gives {shape.height} x {shape.width} pixels, "
                f"layer {inputs[0]} gives {first.height} x {first.width}",
                "layers",
            )
        if shape.channels % groups:
            raise section.fault(
                f"{groups} groups do not divide the {shape.channels} channels of layer {index}", "groups"
            )
    channels = sum(shape.channels // groups for shape in shapes)
    return Route(groups, group), inputs, Shape(channels, first.height, first.width)


def _shortcut(section: Section, place: _Place) -> _Read:
    """Of layers of other depth the channels that both have are added; of a larger one every n-th pixel."""
    others = tuple(place.resolve(section, "from", reference) for reference in section.integers("from"))
    for other in others:
        shape = place.shape_of(other)
        steps = {large // small for large, small in zip(shape[1:], place.shape[1:], strict=True)}
        exact = all(not large % small for large, small in zip(shape[1:], place.shape[1:], strict=True))
        if len(steps) != 1 or not exact or (len(others) > 1 and shape != place.shape):
            raise section.fault(
                f"layer {other} gives {tuple(shape)}, the layer before gives {tuple(place.shape)}", "from"
            )
    return Shortcut(_activation(section, "linear")), (place.index - 1, *others), place.shape


def _scale_channels(section: Section, place: _Place) -> _Read:
    other = place.resolve(section, "from", section.integer("from"))
    shape = place.shape_of(other)
    if place.shape != Shape(shape.channels, 1, 1):
        raise section.fault(
            f"layer {other} gives {tuple(shape)}, which needs a factor for each channel; "
            f"the layer before gives {tuple(place.shape)}",
            "from",
        )
    return Multiply(_activation(section, "linear")), (other, place.index - 1), shape


def _sam(section: Section, place: _Place) -> _Read:
    other = place.resolve(section, "from", section.integer("from"))
    if place.shape_of(other) != place.shape:
        raise section.fault(
            f"layer {other} gives {tuple(place.shape_of(other))}, the layer before gives {tuple(place.shape)}", "from"
        )
    return Multiply(_activation(section, "linear")), (place.index - 1, other), place.shape


def _only_activation(section: Section, place: _Place) -> _Read:
    activation = _activation(section, "linear")
    operation = Skip() if activation is Activation.NONE else operations.Activate(activation)
    return operation, (place.index - 1,), place.shape


def _upsample(section: Section, place: _Place) -> _Read:
    stride, shape = section.integer("stride", 2, least=1), place.shape
    upsampled = Shape(shape.channels, shape.height * stride, shape.width * stride)
    return operations.Upsample(stride), (place.index - 1,), upsampled


def _reorg(section: Section, place: _Place) -> _Read:
    stride, (channels, height, width) = section.integer("stride", 1, least=1), place.shape
    if height % stride or width % stride or channels % (stride * stride):
        raise section.fault(
            f"{stride} does not divide {height} x {width}, or its square does not divide {channels} channels", "stride"
        )
    return operations.Reorg(stride), (place.index - 1,), Shape(channels * stride**2, height // stride, width // stride)


def _softmax(section: Section, place: _Place) -> _Read:
    if section.integer("groups", 1) != 1:
        raise section.fault("only 1 is supported", "groups")
    if place.shape.height * place.shape.width != 1:
        raise section.fault(
            f"the layer before gives {tuple(place.shape)}; softmax takes a vector, as [avgpool] gives one"
        )
    return operations.Softmax(), (place.index - 1,), place.shape


def _skip(_: Section, place: _Place) -> _Read:
    return Skip(), (place.index - 1,), place.shape


def _anchors(section: Section, count: int) -> tuple[tuple[float, float], ...]:
    flat = section.numbers("anchors")
    if len(flat) < 2 * count:
        raise section.fault(
            f"{len(flat)} numbers, but num={count} needs {2 * count}: width and height of each", "anchors"
        )
    flat = flat[: 2 * count]  # Darknet reads no more
    if min(flat) <= 0:
        raise section.fault(f"{min(flat)} is not above 0", "anchors")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _fits_head(section: Section, shape: Shape, predictors: int, classes: int) -> None:
    wanted = predictors * (4 + 1 + classes)
    if shape.channels != wanted:
        raise section.fault(
            f"the layer before gives {shape.channels} channels; "
            f"{predictors} predictors x (4 + 1 + {classes} classes) need {wanted}",
            "classes",
        )


def _yolo(section: Section, place: _Place) -> _Read:
    total, classes = section.integer("num", 1, least=1), section.integer("classes", 20, least=1)
    anchors = _anchors(section, total)
    mask = section.integers("mask", tuple(range(total)))
    if not all(0 <= chosen < total for chosen in mask):
        raise section.fault(f"{mask} chooses from {total} anchors, 0 to {total - 1}", "mask")
    scale_x_y = section.number("scale_x_y", 1.0)
    _fits_head(section, place.shape, len(mask), classes)
    new_coords = bool(section.integer("new_coords", 0))
    chosen_anchors = tuple(anchors[chosen] for chosen in mask)
    head = operations.Yolo(classes, chosen_anchors, scale_x_y, new_coords, _distance_exponent(section))
    return head, (place.index - 1,), place.shape


def _distance_exponent(section: Section) -> float | None:
    """How [yolo] suppresses boxes: Darknet's `greedynms` is by distance too, with an exponent of its own."""
    kinds = {"default": None, "greedynms": _GREEDY_EXPONENT, "diounms": section.number("beta_nms", _GREEDY_EXPONENT)}
    kind = section.word("nms_kind", "default")
    if kind not in kinds:
        raise section.fault(f"unknown kind {kind!r}; known are {', '.join(kinds)}", "nms_kind")
    return kinds[kind]


def _region(section: Section, place: _Place) -> _Read:
    total, classes = section.integer("num", 1, least=1), section.integer("classes", 20, least=1)
    for option, default, supported in (("coords", 4, 4), ("background", 0, 0), ("softmax", 0, 1)):
        if section.integer(option, default) != supported:
            raise section.fault(f"only {supported} is supported", option)
    anchors = _anchors(section, total)
    _fits_head(section, place.shape, total, classes)
    return operations.Region(classes, anchors), (place.index - 1,), place.shape


_READERS: Mapping[str, Callable[[Section, _Place], _Read]] = {
    "convolutional": _convolutional,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "local_avgpool": _local_avgpool,
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _scale_channels,
    "sam": _sam,
    "activation": _only_activation,
    "upsample": _upsample,
    "reorg": _reorg,
    "softmax": _softmax,
    "dropout": _skip,
    "cost": _skip,
    "empty": _skip,
    "yolo": _yolo,
    "region": _region,
}


def read_network(sections: Sequence[Section]) -> Network:
    """Give every section its meaning and work out every shape.

    Raises:
        InvalidDeclaration: a value out of range, a reference to a layer that does not come before, shapes that do not
            fit, no layer at all.
    """
    net = sections[0]
    sides = [net.integer(option, least=1) for option in ("channels", "height", "width")]
    input_shape, layers = Shape(*sides), list[DarknetLayer]()
    if prod(input_shape) > _MOST_ELEMENTS:
        raise net.fault(f"the input has more than {_MOST_ELEMENTS} elements", "width")
    for section in sections[1:]:
        if section.name not in _READERS:
            raise section.fault("stands once, as the first section")
        operation, inputs, shape = _READERS[section.name](section, _Place(input_shape, layers))
        if prod(shape) > _MOST_ELEMENTS:
            raise section.fault(
                f"gives {shape.channels} x {shape.height} x {shape.width}, more than {_MOST_ELEMENTS} elements"
            )
        layers.append(DarknetLayer(len(layers), section.name, operation, inputs, shape, section.line))
    if not layers:
        raise InvalidDeclaration(f"{net.file}: there is no layer after [net]")
    return Network(input_shape, tuple(layers))
