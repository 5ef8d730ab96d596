"""What activations in fewer bits lose: a sample of a job's pictures goes through the stages both ways."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np

from services.artifacts.activation import read_activation
from services.artifacts.precision import Encoding, Values
from services.artifacts.record import Picture, read_record, write_record
from services.artifacts.store import ObjectStore
from services.edge.receipts import Receipt, ReceiptLine
from services.pipeline.domain import Job, StageAnswer
from services.pipeline.job_store import JobStore

SAMPLE_PICTURES = 16

Through: TypeAlias = Callable[[Sequence[str], Encoding], Awaitable[list[StageAnswer]]]
"""Where a record is and where each stage writes, and how."""


async def measure_loss(job: Job, jobs: JobStore, records: ObjectStore, record: str, through: Through) -> dict[str, Any]:
    """Compare the scores of a record's first pictures with those that float32 gives, and keep the result.

    Returns:
        `pictures` compared; `largest_relative_error`: the largest difference over the largest score; `top_1_agreement`:
        the share of pictures with the same best class; `usage` and `allocation`: what both runs took. Without a picture
        that can be decoded the two are None.
    """
    pictures = await _first_pictures(records, record)
    url = await jobs.write_sample(write_record(iter(pictures), len(pictures)))
    found: dict[Encoding, Values] = {}
    lines: list[ReceiptLine] = []
    for precision in (Encoding.FLOAT32, job.activations):
        urls = [url, *(jobs.sample_url(f"{precision}/{stage}") for stage in range(len(job.stages)))]
        lines += [answer.outcome.line for answer in await through(urls, precision)]
        found[precision] = await _scores(jobs.store, urls[-1])
    taken = Receipt(tuple(lines)).total
    compared = _compare(found[job.activations], found[Encoding.FLOAT32])
    loss = {**compared, "usage": asdict(taken.usage), "allocation": asdict(taken.allocation)}
    await jobs.write_loss(loss)
    await jobs.remove_sample()
    return loss


async def _first_pictures(records: ObjectStore, record: str) -> list[Picture]:
    pictures: list[Picture] = []
    async for picture in read_record(records.stream(record), records.url_of(record)):
        pictures.append(picture)
        if len(pictures) == SAMPLE_PICTURES:
            break
    return pictures


async def _scores(store: ObjectStore, url: str) -> Values:
    """[N, K] of the last stage; [0] where no picture could be decoded."""
    pieces = store.stream(store.key_of(url))
    parts = [part async for part in read_activation(pieces, url) if isinstance(part, np.ndarray)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _compare(scores: Values, expected: Values) -> dict[str, Any]:
    if not len(expected):
        return {"pictures": 0, "largest_relative_error": None, "top_1_agreement": None}
    largest = float(np.abs(expected).max())
    return {
        "pictures": len(expected),
        "largest_relative_error": float(np.abs(scores - expected).max()) / largest if largest else 0.0,
        "top_1_agreement": float((scores.argmax(axis=1) == expected.argmax(axis=1)).mean()),
    }
