"""What the detector is trained on: boxes, objectness and classes of both heads together.

Source: Redmon and Farhadi, YOLOv3 (2018); the box term is GIoU, Rezatofighi et al. (2019), in place of squared offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from examples.detector.scenes import Truth
from quant.operations import Yolo

_IGNORED_IOU = 0.6  # a predictor that meets a shape so well does not learn that nothing is there
_SHARED_IOU = 0.6  # every anchor this close to a shape's size learns it, not just the closest
_BOX_WEIGHT, _CLASS_WEIGHT, _OBJECT_WEIGHT = 2.0, 1.0, 1.0


@dataclass(frozen=True)
class Grid:
    """Where all P predictors of all heads stand: cells, scales and anchors, as fractions of the picture."""

    corner: Tensor  # [P, 2], the cell's upper left
    cell: Tensor  # [P, 2], the cell's size
    anchor: Tensor  # [P, 2], the anchor's size

    @classmethod
    def of(cls, heads: Sequence[tuple[Yolo, int]], size: int) -> "Grid":
        """Lay out heads of (operation, cells along a side) over a square input of `size` pixels."""
        corner, cell, anchor = [], [], []
        for head, side in heads:
            rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
            corners = torch.stack((columns, rows), -1).reshape(-1, 2) / side
            for sizes in head.anchors:
                corner.append(corners)
                cell.append(torch.full_like(corners, 1 / side))
                anchor.append(torch.tensor(sizes).expand_as(corners) / size)
        return cls(torch.cat(corner), torch.cat(cell), torch.cat(anchor))

    def boxes(self, raw: Tensor) -> Tensor:
        """Raw predictions [N, P, 5 + K] to boxes [N, P, 4]: centre and size as fractions."""
        center = self.corner + raw[..., :2].sigmoid() * self.cell
        return torch.cat((center, raw[..., 2:4].clamp(max=4).exp() * self.anchor), -1)


def flatten_heads(maps: Sequence[Tensor], classes: int) -> Tensor:
    """Raw maps [N, A * (5 + K), H, W] to [N, P, 5 + K], in the order of `Grid`."""
    flat = [
        raw.reshape(len(raw), -1, 5 + classes, *raw.shape[2:]).permute(0, 1, 3, 4, 2).reshape(len(raw), -1, 5 + classes)
        for raw in maps
    ]
    return torch.cat(flat, 1).float()


def detection_loss(raw: Tensor, grid: Grid, truths: Sequence[Sequence[Truth]]) -> Tensor:
    """The mean loss per shape of a batch, from raw predictions [N, P, 5 + K]."""
    boxes = grid.boxes(raw)
    wanted = torch.zeros_like(raw[..., 4])
    unsure = torch.zeros_like(wanted, dtype=torch.bool)
    pictures, predictors, targets, labels = [], [], [], []
    for picture, truth in enumerate(truths):
        target = torch.tensor([(shape.x, shape.y, shape.width, shape.height) for shape in truth])
        unsure[picture] = (pairwise_iou(boxes[picture].detach(), target) > _IGNORED_IOU).any(1)
        for shape, chosen in zip(truth, _responsible(grid, target), strict=True):
            pictures.append(torch.full_like(chosen, picture))
            predictors.append(chosen)
            targets.append(torch.tensor((shape.x, shape.y, shape.width, shape.height)).expand(len(chosen), 4))
            labels.append(torch.full_like(chosen, shape.label))
    where = torch.cat(pictures), torch.cat(predictors)
    wanted[where] = 1.0
    unsure[where] = False
    count = len(where[0])
    box = (1 - giou(boxes[where], torch.cat(targets))).sum()
    one_hot = F.one_hot(torch.cat(labels), raw.shape[-1] - 5).float()
    label = F.binary_cross_entropy_with_logits(raw[where][:, 5:], one_hot, reduction="sum")
    presence = F.binary_cross_entropy_with_logits(raw[..., 4], wanted, reduction="none")[~unsure].sum()
    return (_BOX_WEIGHT * box + _CLASS_WEIGHT * label + _OBJECT_WEIGHT * presence) / count


def _responsible(grid: Grid, target: Tensor) -> list[Tensor]:
    """For each shape the predictors of its cell that shall learn it: the closest anchor, and all close enough."""
    inside = (target[:, None, :2] >= grid.corner) & (target[:, None, :2] < grid.corner + grid.cell)
    smaller = torch.minimum(target[:, None, 2:], grid.anchor).prod(-1)
    likeness = smaller / (target[:, None, 2:].prod(-1) + grid.anchor.prod(-1) - smaller) * inside.all(-1)
    best = likeness.amax(1, keepdim=True)
    return [row.nonzero()[:, 0] for row in (likeness >= best) | (likeness > _SHARED_IOU)]


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Boxes [P, 4] and [T, 4] (centre, size) to their overlaps [P, T], 0 to 1."""
    low = torch.maximum((first[:, :2] - first[:, 2:] / 2)[:, None], second[:, :2] - second[:, 2:] / 2)
    high = torch.minimum((first[:, :2] + first[:, 2:] / 2)[:, None], second[:, :2] + second[:, 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (first[:, 2:].prod(-1)[:, None] + second[:, 2:].prod(-1) - shared)


def giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU of boxes [B, 4] with boxes [B, 4], -1 to 1."""
    (low, high), (other_low, other_high) = (
        (boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2) for boxes in (first, second)
    )
    shared = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(min=0).prod(-1)
    union = first[:, 2:].prod(-1) + second[:, 2:].prod(-1) - shared
    hull = (torch.maximum(high, other_high) - torch.minimum(low, other_low)).prod(-1)
    return shared / union - (hull - union) / hull
