"""The verb `cross`: every layer in both precisions on both inputs."""

from collections.abc import Iterator

from quant.crossing import Crossing, cross, cross_layer
from quant.precision import Mode
from quant.statistics import sqnr_db
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.pictures import DecodedPicture, as_input
from services.zoo.integers import Integers


def cross_model(
    model: EngineModel, integers: Integers, picture: DecodedPicture, mode: Mode = Mode.INT8
) -> Iterator[Crossing]:
    """Cross every layer, in the order they run.

    Raises:
        NotCalibrated, NoAutoPlan: see `engine_of`.
    """
    yield from cross(engine_of(model, Mode.FLOAT, integers), engine_of(model, mode, integers), as_input(model, picture))


def cross_one(
    model: EngineModel, integers: Integers, picture: DecodedPicture, layer: str, mode: Mode = Mode.INT8
) -> Crossing:
    """Cross one layer alone.

    Raises:
        LayerNotFound: no layer of that name.
        NotCalibrated, NoAutoPlan: see `engine_of`.
    """
    model.graph.index(layer)
    engine = engine_of(model, mode, integers)
    four = cross_layer(engine_of(model, Mode.FLOAT, integers), engine, as_input(model, picture), layer)
    errors = (sqnr_db(four.ff, found) for found in (four.fi, four.if_, four.ii))
    return Crossing(layer, engine.plan[layer].value, *errors)
