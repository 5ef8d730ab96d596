"""Scenario files: what is read, what is refused and how."""

from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration, InvalidInput
from services.loadtest.scenario import Scenario, check_bounds, factor_of, stretched
from services.loadtest.scenario_file import read_scenario

SHIPPED = sorted((Path(__file__).parents[3] / "loadtest" / "scenarios").glob("*.yaml"))
GOOD = """
about: a test
phases: [{seconds: 10, rate: 5}, {seconds: 4, rate: [0, 10]}]
request: {pictures: here}
slo: {latency_ms: {p99: 100}}
"""


def read(folder: Path, text: str) -> Scenario:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_scenario(path)


def test_a_scenario_knows_its_name_its_length_its_peak_and_its_size(tmp_path: Path) -> None:
    scenario = read(tmp_path, GOOD)
    assert (scenario.name, scenario.seconds, scenario.peak, scenario.expected) == ("mine", 14, 10, 70)
    assert scenario.pictures == tmp_path / "here"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("phases", "phaces", "phaces: no such key; did you mean 'phases'?"),
        ("rate: 5", "rat: 5", "phases.0.rat: no such key; did you mean 'rate'?"),
        ("p99: 100", "p100: 100", "'p100' is not a percentile"),
        ("p99: 100", "p0: 100", "'p0' is not a percentile"),
        ("p99: 100", f"p99.{'9' * 20}: 100", "is not a percentile"),
        ("p99: 100", "p99: 0", "greater than 0"),
        ("{latency_ms: {p99: 100}}", "{}", "nothing is promised"),
        ("seconds: 10", "seconds: -1", "phases.0.seconds"),
        ("rate: 5", "rate: .nan", "phases.0.rate"),
        ("{pictures: here}", "{}", "request.pictures"),
        ("[{seconds: 10, rate: 5}, {seconds: 4, rate: [0, 10]}]", "[]", "phases"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_place(tmp_path: Path, before: str, after: str, fault: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        read(tmp_path, GOOD.replace(before, after))
    assert fault in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_a_list_whose_items_are_at_fault_is_not_called_empty(tmp_path: Path) -> None:
    mistaken = "[{seconds: 10, rat: 5}]"
    with pytest.raises(InvalidDeclaration) as caught:
        read(tmp_path, GOOD.replace("[{seconds: 10, rate: 5}, {seconds: 4, rate: [0, 10]}]", mistaken))
    assert {line.split(": ")[1] for line in str(caught.value).splitlines()} == {"phases.0.rat", "phases.0.rate"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_is_read_and_may_run(path: Path) -> None:
    scenario = read_scenario(path)
    assert scenario.pictures.is_dir()
    check_bounds(scenario, 20.0 if scenario.rates == "of_capacity" else 1.0)


def test_the_scenarios_of_the_handbook_are_shipped() -> None:
    assert {"steady", "ramp", "burst", "diurnal", "straggler", "overload", "killed"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize(("seconds", "rate"), [(3601, 1), (3600, 1000), (1, 0.1)])
def test_a_run_that_is_too_long_too_large_or_empty_is_refused(tmp_path: Path, seconds: float, rate: float) -> None:
    text = GOOD.replace("seconds: 10, rate: 5", f"seconds: {min(seconds, 3600)}, rate: {rate}")
    text = text.replace("seconds: 4, rate: [0, 10]", f"seconds: {max(1, seconds - 3600)}, rate: 0")
    with pytest.raises(InvalidInput, match="mine"):
        check_bounds(read(tmp_path, text), 1)


def test_rates_of_capacity_need_one_and_others_take_none(tmp_path: Path) -> None:
    relative = read(tmp_path, GOOD + "rates: of_capacity\n")
    assert factor_of(relative, 30) == 30
    with pytest.raises(InvalidInput, match="--capacity"):
        factor_of(relative, None)
    absolute = read(tmp_path, GOOD)
    assert factor_of(absolute, None) == 1
    with pytest.raises(InvalidInput, match="--capacity"):
        factor_of(absolute, 30)


def test_a_search_stretches_a_scenario_until_it_can_be_proved(tmp_path: Path) -> None:
    scenario = read(tmp_path, GOOD)
    assert stretched(scenario, 1).expected == pytest.approx(2 * 459)
    assert stretched(scenario, 100) == scenario
    never = read(tmp_path, GOOD.replace("rate: 5", "rate: 0").replace("rate: [0, 10]", "rate: 0"))
    assert stretched(never, 1) == never
