"""The Darknet network that a model file declares, as a graph."""

from quant.graph import Graph
from services.edge.errors import InvalidDeclaration
from services.zoo.darknet import networks
from services.zoo.darknet.build import build_model, decode_network
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.structure import Network
from services.zoo.darknet.weights import parse_weights
from services.zoo.model_file import ModelFile
from services.zoo.weight_references import FILE, RANDOM, TORCHVISION, FetchedWeights, fetch
from services.zoo.weights import seed_of


def darknet_graph(model_file: ModelFile, weights: FetchedWeights) -> Graph:
    """Build the network with its weights.

    Raises:
        InvalidDeclaration: a fault in the cfg, or weights of torchvision's.
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
    return build_model(network, values).graph


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
