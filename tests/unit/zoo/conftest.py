"""What several files of these tests share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from quant.graph import Graph
    from services.zoo.model_file import ModelFile
    from services.zoo.weight_references import FetchedWeights


@pytest.fixture(scope="module")
def exported_once() -> Iterator[None]:
    """Let torch export a network once for all the model files of a module that differ in their integers alone."""
    from services.zoo import compile as compiling
    from services.zoo import integer_stages

    make = compiling.declared_graph
    made: dict[str, Graph] = {}

    def declared_graph(model_file: "ModelFile", weights: "FetchedWeights") -> "Graph":
        network = model_file.architecture, model_file.classes, model_file.parameters, model_file.input.size
        key = repr((network, weights.digest))
        if key not in made:
            made[key] = make(model_file, weights)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (compiling, integer_stages):
            patch.setattr(module, "declared_graph", declared_graph)
        yield
