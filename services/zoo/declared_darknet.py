"""The Darknet network that a model file declares, as a graph; and what its heads are."""

from quant.graph import Graph
from quant.operations import Region, Yolo
from services.edge.errors import InvalidDeclaration
from services.zoo.darknet import networks
from services.zoo.darknet.build import build_model, decode_network
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.structure import Network
from services.zoo.darknet.weights import parse_weights
from services.zoo.manifest import DetectionSpec, HeadSpec
from services.zoo.model_file import DetectionDeclaration, ModelFile
from services.zoo.weight_references import FILE, RANDOM, TORCHVISION, FetchedWeights, fetch
from services.zoo.weights import seed_of


def darknet_graph(model_file: ModelFile, weights: FetchedWeights) -> Graph:
    """Build the network with its weights.

    Raises:
        InvalidDeclaration: a fault in the cfg, another size than the model file says, or weights of torchvision's.
        ArtifactNotFound, StoreRefused, StoreUnavailable: the cfg is not there, or its store does not give it.
        InvalidWeights: the weights are not this network's, or are damaged.
    """
    name, reference = model_file.name, weights.reference
    network = _network(model_file)
    if reference.startswith(TORCHVISION):
        raise InvalidDeclaration(f"model '{name}': torchvision has no weights for Darknet's networks")
    if reference.startswith(RANDOM):
        values = random_weights(network, seed_of(reference))
    else:
        values = parse_weights(weights.stored, network, reference)
    graph = build_model(network, values).graph
    if graph.input_shape != (3, *model_file.input.size):
        raise InvalidDeclaration(
            f"model '{name}' takes [N, {', '.join(map(str, graph.input_shape))}]; "
            f"its file says size {list(model_file.input.size)}"
        )
    return graph


def _network(model_file: ModelFile) -> Network:
    if reference := model_file.cfg_reference:
        return decode_network(fetch(reference, model_file.folder), reference.removeprefix(FILE))
    assert model_file.architecture
    height, width = model_file.input.size
    if height != width:
        raise InvalidDeclaration(
            f"model '{model_file.name}': {model_file.architecture} takes a square picture, not {[height, width]}"
        )
    return read_network(networks.describe(model_file.architecture, size=width, classes=model_file.classes))


def detection_of(graph: Graph, declared: DetectionDeclaration | None) -> DetectionSpec | None:
    """What a service needs to make boxes of the graph's outputs; None where these are class scores."""
    heads = [(name, graph.layer(name).operation) for name in graph.outputs]
    found = tuple(
        _head(graph.shapes[name], operation) for name, operation in heads if isinstance(operation, Yolo | Region)
    )
    wanted = declared or DetectionDeclaration()
    return DetectionSpec(found, wanted.threshold, wanted.suppression_iou) if found else None


def _head(shape: tuple[int, ...], head: Yolo | Region) -> HeadSpec:
    channels, height, width = shape
    return HeadSpec(
        (channels, height, width),
        head.classes,
        head.anchors,
        head.in_cells,
        head.new_coords,
        head.distance_exponent,
    )
