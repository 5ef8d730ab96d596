"""What can go wrong in the numerics. `services.edge.status` maps these to gRPC and HTTP status."""


class QuantError(ValueError):
    """Base of all; the message names the layer, what was expected and what was found."""


class LayerNotFound(QuantError):
    """The graph has no layer of that name or index."""


class InvalidGraph(QuantError):
    """Layers that do not fit together."""


class WrongShape(QuantError):
    """A tensor has another shape than its place needs."""


class WrongType(QuantError):
    """A tensor has another element type than its place needs."""


class NonFiniteValue(QuantError):
    """NaN or infinity in a weight, a bias, an activation or an input."""


class InvalidScale(QuantError):
    """A scale that is not positive and finite, or a zero point outside 0..255."""


class NotCalibrated(QuantError):
    """An integer run was asked for a layer that has no scales."""


class EmptyCalibration(QuantError):
    """Scales were asked for before any picture was seen."""


class AlgorithmNotFound(QuantError):
    """No calibration algorithm of that name; the message lists those there are."""


class InvalidEdit(QuantError):
    """An edit does not fit the layer: wrong shape, code out of range, scale not positive, or nothing to edit."""
