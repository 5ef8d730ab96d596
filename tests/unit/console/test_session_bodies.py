"""What the page is told of a session."""

from services.console.http_bodies import body_of
from services.console.session_bodies import CardBody
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb

NAMES = ("stride", "kernel", "padding", "groups", "dilation", "activation")


def test_a_layers_parameters_have_one_order_whatever_protobufs_is() -> None:
    layer = pb.Layer(name="conv", operation="Conv2d", index=0, inputs=["input"], shape=[1])
    for names in (NAMES, NAMES[::-1]):
        card = body_of(CardBody, pb.GetLayerResponse(layer=layer, parameters=dict.fromkeys(names, "1")))
        assert list(card.parameters) == sorted(NAMES)
