"""What can go wrong in the numerics. `services.edge.status` maps these to gRPC and HTTP status."""


class QuantError(ValueError):
    """Base of all; the message names the layer, what was expected and what was found."""


class LayerNotFound(QuantError):
    """The graph has no layer of that name or index."""
