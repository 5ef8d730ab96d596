"""Scenarios on disk: those that are shipped, by name, and one's own, by path."""

from pathlib import Path

import services
from services.edge.declaration import read_declaration
from services.edge.errors import ArtifactNotFound
from services.edge.suggestion import did_you_mean
from services.loadtest.scenario import Scenario

SHIPPED = Path(services.__path__[0]).parent / "loadtest" / "scenarios"


def read_scenario(path: Path) -> Scenario:
    """Raises InvalidDeclaration, naming file and field, for every fault at once."""
    return read_declaration(path, Scenario, file=path.absolute())


def find_scenario(named: str) -> Scenario:
    """Read a scenario's file, or a shipped one by its name.

    Raises:
        ArtifactNotFound: there is none; names those there are.
        InvalidDeclaration: it has faults.
    """
    if named.endswith((".yaml", ".yml")):
        return read_scenario(Path(named))
    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    if named not in shipped:
        raise ArtifactNotFound(
            f"no scenario '{named}'{did_you_mean(named, shipped)}; there are {', '.join(shipped) or 'none'}; "
            "the name of a file of your own must end in .yaml"
        )
    return read_scenario(SHIPPED / f"{named}.yaml")
