"""`strata pipeline plan`, `run --plan`, `simulate` for real: a small model is measured, planned, run as planned."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.command import run_strata
from tests.contract.tiny_program import write_tiny

PICTURES = Path(__file__).parents[2] / "examples" / "fashion" / "pictures"
CHOSEN = ("--stages", "2", "--runtime", "onnxruntime")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Place:
    """A model that was planned, and the plan."""

    folder: Path
    planned: "subprocess.CompletedProcess[str]"

    def strata(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return run(self.folder, *words)


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "STRATA_CACHE": str(folder / "cache"), "STRATA_STATE": str(folder / "state")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run_strata(environment, "pipeline", *words)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("plan")
    write_tiny(folder, "tiny", "other")
    words = ("--deadline", "1h", "--pictures", "100", "-o", "plan.json", "--plot", "plan.png", "--json")
    return Place(folder, run(folder, "plan", "tiny.yaml", *CHOSEN, *words))


def test_the_plan_keeps_the_deadline_and_is_the_cheapest_of_the_front(place: Place) -> None:
    assert place.planned.returncode == 0, place.planned.stderr
    found = json.loads(place.planned.stdout)
    assert found["chosen"] == found["front"][-1]
    assert found["chosen"]["time_s"] <= 3600
    assert found["chosen"]["stages"] == len(found["chosen"]["memory_bytes"]) == 2
    assert (place.folder / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_plan_measures_nothing(place: Place) -> None:
    again = place.strata("plan", "tiny.yaml", *CHOSEN, "--budget", "1")
    assert again.returncode == 0, again.stderr
    assert "records of two sizes" in place.planned.stderr
    assert "records of two sizes" not in again.stderr


def test_a_time_or_budget_that_nothing_keeps_is_said_with_the_nearest_there_is(place: Place) -> None:
    late = place.strata("plan", "tiny.yaml", *CHOSEN, "--deadline", "0.000001s")
    assert (late.returncode, "NoPlan: no plan is done within" in late.stderr) == (2, True)
    dear = place.strata("plan", "tiny.yaml", *CHOSEN, "--budget", "0")
    assert (dear.returncode, "NoPlan: no plan costs 0 or less: the cheapest costs" in dear.stderr) == (2, True)
    neither = place.strata("plan", "tiny.yaml", *CHOSEN)
    assert (neither.returncode, "say either --deadline or --budget" in neither.stderr) == (2, True)


def test_a_run_as_planned_says_what_was_expected_beside_what_it_was(place: Place) -> None:
    packed = place.strata("pack", str(PICTURES), "--per-record", "10", "-o", "records")
    assert packed.returncode == 0, packed.stderr
    ran = place.strata("run", "tiny.yaml", "records", "-o", "answers", "--plan", "plan.json", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert [stage["stage"] for stage in report["stages"]] == ["stage-0", "stage-1"]
    assert report["was"]["time_s"] == report["time_s"]
    assert report["expected"].keys() == report["was"].keys()
    assert all(report["expected"][key] > 0 for key in ("time_s", "gb_seconds", "money"))


def test_a_plan_of_another_model_is_refused(place: Place) -> None:
    ran = place.strata("run", "other.yaml", "records", "-o", "answers", "--plan", "plan.json")
    assert (ran.returncode, "a plan of model 'tiny', not 'other'" in ran.stderr) == (2, True)
    both = place.strata("run", "tiny.yaml", "records", "-o", "answers", "--plan", "plan.json", "--stages", "3")
    assert (both.returncode, "leave out --stages and --at" in both.stderr) == (2, True)


def test_the_same_measurements_are_simulated_with_any_number_of_workers(place: Place) -> None:
    words = ("--pictures", "64", "--per-record", "1", "--workers", "1,8,64", "--plot", "workers.png", "--json")
    found = place.strata("simulate", "tiny.yaml", *CHOSEN, *words)
    assert found.returncode == 0, found.stderr
    one, eight, many = json.loads(found.stdout)["expected"]
    assert one["time_s"] > eight["time_s"] >= many["time_s"]
    assert one["cold_starts"] <= eight["cold_starts"] <= many["cold_starts"]
    assert (place.folder / "workers.png").read_bytes().startswith(b"\x89PNG")
    wrong = place.strata("simulate", "tiny.yaml", *CHOSEN, "--workers", "1,x")
    assert (wrong.returncode, "not a list of numbers from 1 to 1024" in wrong.stderr) == (2, True)
