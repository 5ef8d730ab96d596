"""The part `fleet` of the area `slo`: its figures, and an overload simulated from what was measured."""

import numpy as np
import pytest

from services.bench.slo_fleet import fleet, simulated_goodput
from services.edge.progress import no_progress


def test_a_small_fleet_has_every_figure_beside_one_that_is_kept() -> None:
    figures: dict[str, float] = {}
    for found in fleet(30, 50.0, 10.0, no_progress):
        figures.update(found)
    assert 0.9 < figures["fleet.complete"] <= figures["fleet.in_deadline"] <= 1.0
    assert figures["fleet.gb_s_over_kept"] == pytest.approx(figures["fleet.gb_s"] / figures["fleet.kept_gb_s"])
    assert 0.0 < figures["fleet.gb_s_over_kept"] <= 1.0


def test_two_sleeping_members_under_twice_their_load_answer_about_as_much_as_they_can() -> None:
    limit = 31.7
    dues_s = 5.0 + np.cumsum(np.random.default_rng(0).exponential(0.5 / limit, 600))
    assert 0.9 < simulated_goodput(limit, dues_s.tolist(), deadline_s=0.2) < 1.05
    # Where nothing can be in time, nothing is answered.
    assert simulated_goodput(limit, dues_s.tolist(), deadline_s=0.01) == 0.0
