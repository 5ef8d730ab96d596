"""A feed as a data source of Ray Data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

if TYPE_CHECKING:
    import pyarrow as pa


class FeedSource(Datasource):  # type: ignore[misc]  # ray has no types
    """Journeys as they are put into the feed, each a block of one row."""

    def __init__(self, feed: Any):
        super().__init__()
        self._feed = feed

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """One task: it reads until the feed is closed, from the begin where Ray starts it anew."""
        feed = self._feed
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(lambda: _journeys(feed), unknown)]


def _journeys(feed: Any) -> "Iterator[pa.Table]":
    import pyarrow as pa

    place = 0
    while (found := ray.get(feed.read.remote(place))) is not None:
        number, journey = found
        yield pa.table({"number": [number], "journey": [journey]})
        place += 1
