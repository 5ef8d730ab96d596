"""What members took for requests that got no answer: models put it on a receipt that nobody was sent."""

from collections.abc import Iterable, Mapping

from services.edge.receipts import NOTHING, Allocation
from services.ensemble.fan_out import MemberRun


class UnclaimedRuns:
    """Keeps it until the next answer, which says it for them."""

    def __init__(self) -> None:
        self._kept: dict[str, Allocation] = {}

    def keep(self, runs: Iterable[MemberRun]) -> None:
        """Keep what the members answered of a request that gets no answer."""
        for run in runs:
            self._kept[run.model] = self._kept.get(run.model, NOTHING) + run.allocation + run.unclaimed

    def hand_out(self, runs: Iterable[MemberRun]) -> Mapping[str, Allocation]:
        """Hand out, once, what was kept, and what the members of an answer say themselves that no request pays for."""
        found, self._kept = self._kept, {}
        for run in runs:
            found[run.model] = found.get(run.model, NOTHING) + run.unclaimed
        return {model: allocation for model, allocation in found.items() if allocation != NOTHING}
