"""Train the example detector and write its cfg and weights.

    python -m examples.detector.train --steps 2400 --output examples/detector

Every picture is drawn when it is needed, each one once. Same seed, steps and torch build: nearly the same weights.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

from examples.detector.loss import Grid, detection_loss, flatten_heads
from examples.detector.network import describe_detector
from examples.detector.scenes import CLASSES, SIZE, draw_scene
from examples.detector.trainable import TrainableNetwork
from quant.operations import Yolo
from services.zoo.darknet.cfg import write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.weights import write_weights

_FIRST_SEED = 1_000_000  # the held-out pictures are those of smaller seeds
_PEAK_RATE, _WARM_UP = 3e-3, 100


def learning_rate(step: int, steps: int) -> float:
    """Rise for the first steps, then fall along half a cosine to nearly nothing."""
    if step < _WARM_UP:
        return _PEAK_RATE * (step + 1) / _WARM_UP
    return _PEAK_RATE * (0.01 + 0.495 * (1 + math.cos(math.pi * (step - _WARM_UP) / max(1, steps - _WARM_UP))))


def train(steps: int, batch: int, seed: int) -> TrainableNetwork:
    """Train from random weights, printing the loss; a step is `batch` pictures."""
    torch.manual_seed(seed)
    network = read_network(describe_detector())
    model = TrainableNetwork(network)
    heads = [(layer.operation, layer.shape.height) for layer in network.layers if isinstance(layer.operation, Yolo)]
    grid = Grid.of(heads, SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, weight_decay=5e-4)
    began, smooth = time.monotonic(), math.nan
    for step in range(steps):
        first = _FIRST_SEED + seed * 100_000_000 + step * batch
        pictures, truths = zip(*(draw_scene(first + k) for k in range(batch)), strict=True)
        x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        with torch.autocast("cpu", torch.bfloat16):
            maps = model(x.contiguous(memory_format=torch.channels_last))
        raw = flatten_heads(maps, len(CLASSES))
        loss = detection_loss(raw, grid, truths)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        smooth = loss.item() if math.isnan(smooth) else 0.95 * smooth + 0.05 * loss.item()
        if step % 20 == 19:
            print(f"step {step + 1}/{steps}  loss {smooth:.3f}  {time.monotonic() - began:.0f} s", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the example detector.")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    model = train(arguments.steps, arguments.batch, arguments.seed)
    (arguments.output / "shapes.cfg").write_text(write_cfg(describe_detector()))
    with (arguments.output / "shapes.weights").open("wb") as stream:
        write_weights(stream, model.network, model.export(arguments.steps * arguments.batch))


if __name__ == "__main__":
    main()
