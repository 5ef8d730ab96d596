"""The last stage's scores as predictions: a line of JSON for each picture, best class first."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from services.artifacts.activation import StageOutcome, read_activation
from services.artifacts.frames import Pieces
from services.artifacts.precision import Values


async def write_predictions(pieces: Pieces, url: str, labels: Sequence[str], top_k: int) -> bytes:
    """Read an activation of scores [N, K] and write a line for each picture of the record, in its order.

    A picture that could not be decoded has an `error` in place of `scores`. A score is a probability: softmax.
    """
    best: list[list[dict[str, Any]]] = []
    lines: list[str] = []
    async for part in read_activation(pieces, url):
        if isinstance(part, np.ndarray):
            best += _best(part, labels, top_k)
        elif isinstance(part, StageOutcome):
            scores = iter(best)
            for picture in part.pictures:
                found = {"error": picture.error} if picture.error else {"scores": next(scores)}
                lines.append(json.dumps({"picture": picture.name, **found}, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode()


def _best(scores: Values, labels: Sequence[str], top_k: int) -> list[list[dict[str, Any]]]:
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return [
        [
            {"index": index, **({"label": labels[index]} if labels else {}), "score": float(row[index])}
            for index in indices
        ]
        for row, indices in zip(probabilities, order.tolist(), strict=True)
    ]
