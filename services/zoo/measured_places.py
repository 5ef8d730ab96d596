"""Where a declared model can be cut, and what its layers cost: torch's operators, or in integers an engine's layers."""

from collections.abc import Sequence

from services.edge.progress import Progress
from services.zoo.compile import declared_graph, load_module
from services.zoo.costs import Cost, measure
from services.zoo.cuts import CutPlaces, find_cuts
from services.zoo.engine_cuts import engine_costs, engine_cuts
from services.zoo.model_file import FLOAT, ModelFile
from services.zoo.quantised import declared_engine
from services.zoo.weight_references import fetch_weights


def measured_places(model_file: ModelFile, wanted: Sequence[str], report: Progress) -> tuple[CutPlaces, Sequence[Cost]]:
    """Find a model's legal cuts, and measure each of its layers; raises what `compile_stages` does.

    Args:
        wanted: layers after which it is to be cut: what is wrong with them is said before anything is measured.
    """
    if model_file.precision != FLOAT:
        weights = fetch_weights(model_file.weights, model_file.folder)
        engine = declared_engine(model_file, declared_graph(model_file, weights), report)
        places = engine_cuts(engine)
        places.cuts_at(wanted)
        return places, engine_costs(engine)
    module = load_module(model_file)
    report("looking for legal cuts")
    graph = find_cuts(module, model_file.input.size)
    graph.cuts_at(wanted)
    report("measuring each layer")
    return graph, measure(graph, model_file.input.size)
