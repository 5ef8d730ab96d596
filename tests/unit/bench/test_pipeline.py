"""How the pipeline's figures are made and shown: sampled cuts, figures from profiles, tables beside the paper's."""

import re
from collections.abc import Sequence
from functools import cache

import pytest
from typer.testing import CliRunner

from services.bench import pipeline
from services.bench.pipeline_drawings import DRAWINGS
from services.bench.pipeline_exact import sampled
from services.bench.pipeline_notes import notes
from services.bench.pipeline_paper import EFFORTS, PaperSteps, of_model, seen_by_model
from services.bench.pipeline_prediction import PAPERS_WORKERS, figure_4, figure_5
from services.bench.pipeline_subject import PAPERS
from services.cli.bench import app
from services.edge.errors import Unsupported
from services.pipeline.profile import ChainProfile
from services.zoo.cuts import Cut
from tests.unit.pipeline.chains import chain, stage

CHAIN = chain(*(stage(name) for name in ("Conv_1", "Conv_2", "Conv_3", "FC")))
assert EFFORTS["vgg-16"].floors
LARGER = EFFORTS["vgg-16"].floors
LARGER_CHAIN = chain(*(stage(f"stage-{number}") for number in range(4)))


@cache
def simulated(chain: ChainProfile) -> dict[str, float]:
    """Once for all tests: it is most of what they take."""
    return figure_5(chain)


def measured(chain: ChainProfile, sizes: Sequence[int]) -> dict[str, float]:
    """What the parts `paper` and `memory` find of one network."""
    found = {**figure_4(chain, chain), **simulated(chain)}
    for each in chain.stages:
        found |= {f"figure_3.{what}.{each.name}.{size}": 2.5 for what in ("s", "mib") for size in (10, 100)}
        found |= {f"floor_mib.{each.name}.{size}": 96.0 for size in sizes}
    for kind in ("mem_max", "single", "floors"):
        found |= {f"{what}.{kind}.{size}": 12.0 for what in ("chain_s", "gb_s") for size in sizes}
    return found


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return {**measured(CHAIN, (500, 1000)), **of_model("vgg-16", measured(LARGER_CHAIN, (LARGER.per_record,)))}


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
    found = simulated(CHAIN)
    times = [found[f"figure_5.time_s.{workers}"] for workers in PAPERS_WORKERS]
    assert times == sorted(times, reverse=True)
    assert times[PAPERS_WORKERS.index(64)] > times[PAPERS_WORKERS.index(128)] == times[-1]
    money = [found[f"figure_5.money.{workers}"] for workers in PAPERS_WORKERS]
    assert money[0] < money[-1]


def headings(figures: dict[str, float]) -> list[tuple[str, str]]:
    return re.findall(r"^## (Table|Figure) (\d)", notes(figures), flags=re.M)


def test_every_table_of_the_paper_is_shown_beside_ours_once_it_is_measured(figures: dict[str, float]) -> None:
    assert headings({"overhead": 1.0}) == []
    assert headings({**figure_4(CHAIN, CHAIN), **simulated(CHAIN)}) == [("Figure", "4"), ("Figure", "5")]
    assert headings(figures) == [("Figure", "3"), ("Figure", "4"), ("Figure", "5"), ("Table", "1"), ("Table", "2")]
    shown = notes(figures)
    assert "| memMin-500 | 90 | 12.0 | 0.0281 | 0.0040 |" in shown
    assert "| 500, the paper, MB | 1280 | 1024 | 768 | 768 | 1280 |" in shown
    assert f"| memMin-{LARGER.per_record} |  | 12.0 |  | 0.0040 |" in shown
    assert "| vgg-16: pictures | stage-0 | stage-1 | stage-2 | stage-3 | one size for all |" in shown


def test_a_networks_figures_are_its_own(figures: dict[str, float]) -> None:
    assert seen_by_model("vgg-16", figures) == measured(LARGER_CHAIN, (LARGER.per_record,))
    assert seen_by_model(PAPERS, figures) == measured(CHAIN, (500, 1000))


def test_each_figure_is_drawn_with_a_panel_for_each_network_and_left_out_where_nothing_was_measured(
    figures: dict[str, float],
) -> None:
    titles = {
        name: [axis.get_title() for axis in picture.axes if axis.get_title()]
        for name, drawing in DRAWINGS.items()
        if (picture := drawing(figures))
    }
    both = ["alexnet-3c4f", "vgg-16"]
    assert (titles["figure-4"], titles["figure-5"]) == (both, both)
    assert titles["figure-3"][::4] == ["alexnet-3c4f: Conv_1", "vgg-16: stage-0"]
    assert [drawing({"overhead": 1.0}) for drawing in DRAWINGS.values()] == [None] * 3


def test_the_tables_say_with_how_few_pictures_the_larger_networks_were_measured(figures: dict[str, float]) -> None:
    shown = notes(figures)
    assert "those of vgg-16 in steps of 32, with 1 record of 24." in shown
    assert "of 16 and 128 for alexnet-3c4f, of 16 and 32 for resnet-50, of 8 and 16 for vgg-16." in shown


def test_the_paper_says_which_of_its_steps_it_is_at_and_how_many_are_left() -> None:
    said: list[tuple[str, int, int]] = []
    steps = PaperSteps(3, lambda step, done=0, total=0, /: said.append((step, done, total)))
    for name in ("resnet-50", "vgg-16"):
        steps.begin()
        steps.progress(name)("a record of 16", 5, 9)
    assert said == [
        ("paper: resnet-50, a record of 16; 2 more to come", 0, 3),
        ("paper: vgg-16, a record of 16; 1 more to come", 1, 3),
    ]


def test_what_a_part_needs_is_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    refused = CliRunner().invoke(app, ["pipeline", "--parts", "cold"])
    assert refused.exit_code == 2
    assert "KUBECONFIG" in refused.output

    def no_cgroup(_: int) -> None:
        raise Unsupported("run as root")

    monkeypatch.setattr(pipeline, "memory_group", no_cgroup)
    with pytest.raises(Unsupported, match=r"memory and paper: run as root; or name other --parts"):
        pipeline.check_place(["overhead", "memory", "paper"])
    pipeline.check_place(["overhead", "ray"])
