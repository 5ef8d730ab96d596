import io

import numpy as np
import pytest
import torch

from examples.detector.loss import Grid, detection_loss, flatten_heads, giou, pairwise_iou
from examples.detector.network import describe_detector
from examples.detector.scenes import CLASSES, SIZE, Truth, draw_scene
from examples.detector.trainable import TrainableNetwork
from quant.operations import Yolo
from services.zoo.darknet.build import build_model
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.weights import parse_weights, write_weights
from services.zoo.detection import Size, decode

NETWORK = read_network(describe_detector())
HEADS = [(layer.operation, layer.shape.height) for layer in NETWORK.layers if isinstance(layer.operation, Yolo)]


def test_a_seed_draws_one_picture() -> None:
    first, again, other = draw_scene(5), draw_scene(5), draw_scene(6)
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert not np.array_equal(first[0], other[0])


def test_boxes_lie_in_the_picture_and_hardly_overlap() -> None:
    for seed in range(40):
        picture, truths = draw_scene(seed)
        assert picture.shape == (SIZE, SIZE, 3)
        assert 1 <= len(truths) <= 5
        for shape in truths:
            assert 0 <= shape.label < len(CLASSES)
            assert shape.x - shape.width / 2 >= 0
            assert shape.x + shape.width / 2 <= 1
            assert shape.y - shape.height / 2 >= 0
            assert shape.y + shape.height / 2 <= 1
        boxes = torch.tensor([(shape.x, shape.y, shape.width, shape.height) for shape in truths])
        assert (pairwise_iou(boxes, boxes) - torch.eye(len(boxes))).max() < 0.15


def test_every_class_is_drawn() -> None:
    assert {shape.label for seed in range(60) for shape in draw_scene(seed)[1]} == set(range(len(CLASSES)))


def test_exported_weights_compute_what_was_trained() -> None:
    torch.manual_seed(0)
    model = TrainableNetwork(NETWORK)
    for module in model.modules():  # far from a fresh layer's statistics, so that each is seen
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.01, 0.5)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    x = torch.rand(2, 3, SIZE, SIZE)
    stream = io.BytesIO()
    write_weights(stream, NETWORK, model.export(pictures_seen=640))
    weights = parse_weights(stream.getvalue(), NETWORK)
    built = build_model(NETWORK, weights)
    with torch.inference_mode():
        trained, exported = model.eval()(x), built.graph.run(x)
    assert weights.header.seen == 640
    for (head, _), raw, name in zip(HEADS, trained, built.graph.outputs, strict=True):
        torch.testing.assert_close(exported[name], head.run(raw), rtol=1e-4, atol=1e-5)


def test_training_decodes_boxes_as_inference_does() -> None:
    maps = [torch.randn(1, 3 * (5 + len(CLASSES)), side, side) for _, side in HEADS]
    boxes = Grid.of(HEADS, SIZE).boxes(flatten_heads(maps, len(CLASSES)))[0]
    found = [
        decode(head, head.run(raw)[0].numpy(), Size(SIZE, SIZE), threshold=-1)
        for (head, _), raw in zip(HEADS, maps, strict=True)
    ]
    np.testing.assert_allclose(boxes, np.concatenate([part.boxes for part in found]), rtol=1e-4)


def test_overlaps_are_those_of_known_boxes() -> None:
    box, shifted, apart = (torch.tensor([[x, 0.5, 0.2, 0.2]]) for x in (0.5, 0.6, 0.9))
    assert pairwise_iou(box, torch.cat((box, shifted, apart)))[0].tolist() == pytest.approx([1, 1 / 3, 0], abs=1e-5)
    assert giou(box, shifted).item() == pytest.approx(1 / 3, abs=1e-5)
    assert giou(box, apart).item() == pytest.approx(-1 / 3, abs=1e-5)


def test_the_loss_falls_as_one_scene_is_learnt() -> None:
    grid = Grid.of(HEADS, SIZE)
    truths = [[Truth(2, 0.3, 0.4, 0.2, 0.2), Truth(0, 0.7, 0.7, 0.4, 0.4)]]
    raw = torch.zeros(1, len(grid.cell), 5 + len(CLASSES), requires_grad=True)
    steps = 200
    optimizer = torch.optim.Adam([raw], lr=0.5)
    # To rest at the minimum: at a constant rate the boxes go on swinging, and where they end is chance.
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1, end_factor=0.01, total_iters=steps)
    losses = []
    for _ in range(steps):
        loss = detection_loss(raw, grid, truths)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 100
    learnt = grid.boxes(raw)[0, raw[0, :, 4] > 0]
    wanted = torch.tensor([(shape.x, shape.y, shape.width, shape.height) for shape in truths[0]])
    overlaps = pairwise_iou(learnt, wanted)
    assert overlaps.amax(0).min() > 0.9  # every shape is found
    assert overlaps.amax(1).min() > 0.5  # and nothing else is
