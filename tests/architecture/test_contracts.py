"""services/contracts is what `make generate` makes of proto/."""

import filecmp
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "services" / "contracts"


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py*") if path.is_file()}
    return {name for name in found if not name.endswith(".pyc")}


def test_the_generated_contracts_are_those_of_the_protos(tmp_path: Path) -> None:
    made = tmp_path / "contracts"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "generate_contracts.py"), str(made)], check=True)
    assert files(made) == files(CONTRACTS)
    _, different, unreadable = filecmp.cmpfiles(made, CONTRACTS, sorted(files(made)), shallow=False)
    assert different + unreadable == [], "run `make generate`"
