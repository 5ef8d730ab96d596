"""The verb `import`: from what a user names - a file, a zoo model, a Darknet network - to a model on the workbench."""

from pathlib import Path

from quant.graph import Graph
from services.edge.errors import InvalidDeclaration, InvalidInput, ModelNotFound
from services.workbench.engine_model import EngineModel
from services.workbench.files import MODEL_SUFFIX, read_model
from services.zoo.catalog import Catalog
from services.zoo.darknet import networks
from services.zoo.darknet.build import build_model, load_model
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.weights import parse_weights
from services.zoo.model_file import ModelFile, program_file, with_weights
from services.zoo.name_lists import decode_lines
from services.zoo.pretrained import KNOWN, NAMES_FILE, PRETRAINED, is_here, read_pretrained
from services.zoo.weight_references import FILE, RANDOM, S3, TORCHVISION, fetch, fetch_weights
from services.zoo.weights import seed_of

LARGEST_SIZE = 2048
"""Of a Darknet network's side that callers elsewhere may ask for, in pixels."""
_SEED_0 = f"{RANDOM}0"


def open_model(reference: str, catalog: Catalog, weights: str | None = None, size: int | None = None) -> EngineModel:
    """Open a `.strata` file, or a model by name.

    Args:
        weights: of a named model: `random://SEED`, `file://PATH` (from the working directory), `s3://...`,
            `torchvision://NAME`, `pretrained://NAME`. By default those its model file names, where they are here:
            nothing is downloaded unasked, and the weights are random instead.
        size: of a Darknet network's square input in pixels; its own by default.
    Raises:
        ModelNotFound: neither a file nor a name.
        InvalidInput, ArtifactNotFound, InvalidWeights: weights or size that do not fit, or are not there.
        Unavailable: the store or torchvision's host does not answer.
    """
    if not (reference.endswith(MODEL_SUFFIX) or Path(reference).is_file()):
        return open_named(reference, catalog, weights, size)
    if weights or size:
        raise InvalidInput(f"{reference} brings its own weights and size: give neither")
    return read_model(Path(reference))


def open_named(name: str, catalog: Catalog, weights: str | None = None, size: int | None = None) -> EngineModel:
    """Open a model by name; takes and raises what `open_model` does."""
    if weights:
        _check_scheme(weights)
    if name in networks.NAMES:
        return _darknet(name, weights or _fetched(name), size)
    if name not in catalog.names():
        raise ModelNotFound(
            f"no file and no model {name[:100]!r}; by name there are: {', '.join(known_names(catalog))}"
        )
    if size:
        raise InvalidInput(f"a size is for Darknet networks; {name!r} is not one")
    return open_declared(catalog.model(name), weights)


def open_from_afar(name: str, catalog: Catalog, weights: str | None = None, size: int | None = None) -> EngineModel:
    """As `open_named`, for callers elsewhere: they do not reach this machine's files, buckets or all of its memory."""
    if weights and weights.startswith((FILE, S3)):
        raise InvalidInput(f"weights {weights}: files and buckets are this service's own; upload a {MODEL_SUFFIX} file")
    if size and size > LARGEST_SIZE:
        raise InvalidInput(f"size {size}: at most {LARGEST_SIZE} pixels")
    return open_named(name, catalog, weights, size)


def import_darknet(cfg: Path, weights: Path) -> EngineModel:
    """Read a Darknet model. Raises InvalidDeclaration and InvalidWeights: see `load_model`."""
    graph = load_model(cfg, weights).graph
    if (channels := graph.input_shape[0]) != 3:
        raise InvalidDeclaration(
            f"{cfg.name}, [net] channels: {channels} is not supported; a picture's are 3, red, green and blue"
        )
    return EngineModel(cfg.stem, graph, (), None, f"{cfg.name} and {weights.name}", trained=True)


def known_names(catalog: Catalog) -> list[str]:
    """Every name `open_model` takes."""
    return sorted({*catalog.names(), *networks.NAMES})


def _check_scheme(weights: str) -> None:
    if not weights.startswith((FILE, S3, RANDOM, TORCHVISION, PRETRAINED)):
        hint = f"; write {FILE}{weights} for a file" if "://" not in weights else ""
        raise InvalidInput(
            f"weights {weights}: not random://SEED, file://PATH, s3://..., torchvision://NAME or pretrained://NAME{hint}"
        )


def _fetched(name: str) -> str:
    """The trained weights of a Darknet network where they are here; else random ones."""
    reference = f"{PRETRAINED}{name}"
    return reference if name in KNOWN and is_here(reference) else _SEED_0


def _darknet(name: str, weights: str, size: int | None) -> EngineModel:
    network = read_network(networks.describe(name, size=size))
    if weights.startswith(TORCHVISION):
        raise InvalidInput(f"weights {weights}: torchvision has none for the Darknet network {name!r}")
    if weights.startswith(PRETRAINED) and weights != f"{PRETRAINED}{name}":
        raise InvalidInput(f"weights {weights}: another model's; those of {name!r} would be {PRETRAINED}{name}")
    drawn = weights.startswith(RANDOM)
    values = (
        random_weights(network, seed_of(weights)) if drawn else parse_weights(fetch(weights, Path()), network, weights)
    )
    names = read_pretrained(weights, NAMES_FILE) if weights.startswith(PRETRAINED) else b""
    labels = tuple(filter(None, decode_lines(names))) or networks.class_names(name)
    return EngineModel(name, build_model(network, values).graph, labels, None, weights, trained=not drawn)


def open_declared(declared: ModelFile, weights: str | None = None) -> EngineModel:
    """Open a model by its model file; takes and raises what `open_model` does."""
    labels = declared.label_names()
    if weights or _is_elsewhere(declared.weights):
        declared = with_weights(declared, weights or _SEED_0)
    source = weights or declared.weights
    model = EngineModel(
        declared.name, _graph(declared), labels, declared.input.spec(), source, not source.startswith(RANDOM)
    )
    _check_classes(model)
    return model


def _is_elsewhere(weights: str) -> bool:
    return weights.startswith(TORCHVISION) or (weights.startswith(PRETRAINED) and not is_here(weights))


def _check_classes(model: EngineModel) -> None:
    """The service makes the same demands when it compiles."""
    answered = model.graph.shapes[model.graph.outputs[0]]
    if not model.detects and len(answered) != 1:
        raise InvalidDeclaration(
            f"model '{model.name}' answers [N, {', '.join(map(str, answered))}], expected scores [N, K]"
        )
    if len(model.labels) not in (0, model.classes):
        raise InvalidDeclaration(f"model '{model.name}' has {model.classes} classes and {len(model.labels)} labels")


def import_program(path: Path) -> EngineModel:
    """Read an ONNX program by itself: one that was exported here as the model it was, any other as a classifier.

    Pictures of another's are cut as ImageNet's, unless a model file says otherwise.

    Raises:
        ArtifactNotFound, InvalidWeights, InvalidDeclaration: there is no whole program of one float32 picture there;
            a detector whose heads the file does not hold.
        DamagedFile: what was exported here is not whole.
        Unsupported: an operator without a counterpart; names the node.
    """
    # Imported here: ONNX and its runtime are for such programs alone.
    from services.workbench.program_metadata import described_model
    from services.zoo.from_onnx.graph import graph_of_onnx
    from services.zoo.from_onnx.heads import stored_heads
    from services.zoo.programs import read_onnx

    program = read_onnx(fetch_weights(f"{FILE}{path.absolute()}", Path()))
    heads = stored_heads(program, str(path))
    graph = graph_of_onnx(program, str(path), heads)
    if described := described_model(program, graph, path):
        return described
    spec = None if heads else program_file(path, (graph.input_shape[1], graph.input_shape[2])).input.spec()
    model = EngineModel(path.stem, graph, (), spec, path.name, trained=True)
    _check_classes(model)
    return model


def _graph(declared: ModelFile) -> Graph:
    # Imported here: the compiler brings ONNX and OpenVINO along, which files and Darknet's networks can do without.
    from services.zoo.compile import declared_graph

    return declared_graph(declared, fetch_weights(declared.weights, declared.folder))
