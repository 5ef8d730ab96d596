"""A model on the workbench: its graph, and what it takes to give it a picture and to read its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Protocol

from quant.graph import Graph
from quant.operations import Region, Yolo
from services.workbench.shared_layers import SharedLayers
from services.zoo.graph_codec import digest_of_graph
from services.zoo.manifest import InputSpec
from services.zoo.name_lists import classes_by_name


class KnownModel(Protocol):
    """What a person may know of a model, wherever it is open."""

    @property
    def name(self) -> str: ...

    @property
    def weights(self) -> str: ...

    @property
    def trained(self) -> bool: ...

    @property
    def detects(self) -> bool: ...

    def label(self, index: int) -> str: ...


@dataclass(frozen=True, eq=False)
class EngineModel:
    """One opened model.

    Attributes:
        labels: K names; empty where none were given.
        input_spec: how a classifier's picture is cut; None for Darknet's letterbox.
        weights: where they came from, in words.
        trained: False for random weights; every front end then says so.
        shared: what those who run it, as it is or edited, have in common.
    """

    name: str
    graph: Graph
    labels: tuple[str, ...]
    input_spec: InputSpec | None
    weights: str
    trained: bool
    shared: SharedLayers = field(default_factory=SharedLayers, repr=False)

    @property
    def detects(self) -> bool:
        """True where the outputs are boxes, False where they are class scores."""
        return any(isinstance(self.graph.layer(name).operation, Yolo | Region) for name in self.graph.outputs)

    @property
    def classes(self) -> int:
        """K: how many classes an answer chooses from."""
        name = self.graph.outputs[0]
        operation = self.graph.layer(name).operation
        return operation.classes if isinstance(operation, Yolo | Region) else prod(self.graph.shapes[name])

    @cached_property
    def digest(self) -> str:
        """What integer files know the model by."""
        return digest_of_graph(self.graph)

    def classes_named(self, names: Sequence[str]) -> list[int] | None:
        """The class of each name; None unless each is one label and no other's."""
        known = classes_by_name(self.labels)
        return [known[name] for name in names] if known.keys() >= set(names) else None

    def label(self, index: int) -> str:
        """The class's name, or its number where there are no names."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"
