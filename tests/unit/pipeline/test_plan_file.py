"""A plan comes back from its file as it was; another model's, or what is no plan, is refused by the file's name."""

from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration, OtherChain
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.plan_file import PlanFile
from services.pipeline.planning import Plan
from services.pipeline.simulation import Batch, Place, simulate
from tests.unit.pipeline.chains import chain, stage

PROFILE = chain(stage("conv"), stage("fc", memory_mib=256))
BATCH = Batch(100, 10, 2)
PLAN = PlanFile(
    Plan(PROFILE, BATCH, simulate(PROFILE, BATCH, Place(2), AWS_LAMBDA)), ("conv",), ("conv", "fc"), 2, "auto", 2
)


@pytest.mark.parametrize("name", ["plan.json", "plan.yaml"])
def test_a_plan_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    PLAN.write(tmp_path / name)
    assert PlanFile.read(tmp_path / name) == PLAN


def test_a_plan_is_for_its_model_and_chain_alone() -> None:
    path = Path("plan.json")
    PLAN.check(path, "small")
    PLAN.check(path, "small", "abc")
    with pytest.raises(OtherChain, match=r"plan\.json: a plan of model 'small', not 'large'"):
        PLAN.check(path, "large")
    with pytest.raises(OtherChain, match="other weights or versions; plan it anew"):
        PLAN.check(path, "small", "def")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "format: 1", "model: small", "\x00", '{"format": 1, "profile": {}}', "a: b: c"]
)
def test_what_is_no_plan_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.yaml").write_text(content)
    with pytest.raises(InvalidDeclaration, match=r"plan\.yaml: not what `strata pipeline plan -o` writes"):
        PlanFile.read(tmp_path / "plan.yaml")


def test_a_plan_of_another_format_or_one_that_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("format: 7")
    with pytest.raises(InvalidDeclaration, match="a plan of format 7; this build reads 1"):
        PlanFile.read(tmp_path / "plan.yaml")
    with pytest.raises(InvalidDeclaration, match="No such file"):
        PlanFile.read(tmp_path / "missing.json")
