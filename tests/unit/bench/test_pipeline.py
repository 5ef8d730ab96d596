"""How the pipeline's figures are made and shown: sampled cuts, figures from profiles, tables beside the paper's."""

import re

import pytest

from services.bench import pipeline as area
from services.bench.pipeline_exact import sampled
from services.bench.pipeline_notes import notes
from services.bench.pipeline_prediction import PAPERS_WORKERS, figure_4, figure_5
from services.zoo.cuts import Cut
from tests.unit.pipeline.chains import chain, stage

CHAIN = chain(*(stage(name) for name in ("Conv_1", "Conv_2", "Conv_3", "FC")))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 100])
def test_cuts_are_sampled_from_the_first_to_the_last_and_all_at_once(count: int) -> None:
    cuts = [Cut(str(number), number, (1,)) for number in range(count)]
    *single, every = sampled(cuts)
    assert every == tuple(cuts)
    assert [each[0] for each in single] == sorted({each[0] for each in single}, key=lambda cut: cut.position)
    assert single[0] == (cuts[0],)
    assert single[-1] == (cuts[-1],)
    assert len(single) == min(8, count)


def test_more_workers_take_less_time_up_to_one_for_each_record() -> None:
    found = figure_5(CHAIN)
    times = [found[f"figure_5.time_s.{workers}"] for workers in PAPERS_WORKERS]
    assert times == sorted(times, reverse=True)
    assert times[PAPERS_WORKERS.index(64)] > times[PAPERS_WORKERS.index(128)] == times[-1]
    money = [found[f"figure_5.money.{workers}"] for workers in PAPERS_WORKERS]
    assert money[0] < money[-1]


def test_every_table_of_the_paper_is_shown_beside_ours_once_it_is_measured() -> None:
    figures = {**figure_4(CHAIN, chain(stage("whole"))), **figure_5(CHAIN)}
    assert re.findall(r"^## (Table|Figure) (\d)", notes(figures), flags=re.M) == [("Figure", "4"), ("Figure", "5")]
    for each in CHAIN.stages:
        figures |= {f"profile.record_s.{each.name}": each.record_s, f"profile.picture_s.{each.name}": each.picture_s}
        figures |= {f"floor_mib.{each.name}.{size}": 100.0 for size in (500, 1000)}
    for kind in ("mem_max", "floors"):
        figures |= {f"{what}.{kind}.{size}": 12.0 for what in ("chain_s", "gb_s") for size in (500, 1000)}
    shown = notes(figures)
    assert re.findall(r"^## (?:Table|Figure) (\d)", shown, flags=re.M) == ["1", "2", "3", "4", "5"]
    assert "| memMin-500 | 90 | 12.0 | 0.0281 | 0.0040 |" in shown


def test_figures_that_are_held_to_a_bar_come_first_in_its_order() -> None:
    found = area.ordered({"floor_mib.FC.500": 1.0, "peak_mb.growth": 1.0, "exact": 1.0})
    assert list(found) == ["exact", "peak_mb.growth", "floor_mib.FC.500"]
