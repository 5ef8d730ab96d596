"""The documents agree with the tree: links, make targets, settings, the index of the decisions."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "k8s/*.md", "charts/**/*.md")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_every_link_leads_somewhere(text: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / text).read_text()):
        assert ((ROOT / text).parent / target).exists(), target


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_every_make_target_that_a_document_names_exists(text: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"(?:`|^\$? ?)make ([a-z][a-z0-9-]*)", (ROOT / text).read_text(), flags=re.M))
    assert named <= targets


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("ensemble", "docs/settings.md"),
        ("model", "docs/settings.md"),
        ("stage", "docs/settings.md"),
        ("workbench", "docs/workbench.md"),
        ("console", "docs/console.md"),
    ],
)
def test_a_table_has_every_setting_of_a_service_and_no_other(service: str, text: str) -> None:
    settings = importlib.import_module(f"services.{service}.settings")
    rows = "\n".join(re.findall(r"^\| (`[A-Z].*?`) \|", (ROOT / text).read_text(), flags=re.M))
    documented = re.findall(rf"`{settings.PREFIX}([A-Z_]+)`", rows)
    assert sorted(documented) == sorted(name.upper() for name in settings.Settings.__annotations__)


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z0-9-]+):.*## \S", makefile, flags=re.M))
    assert set(" ".join(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.M)).split()) == described


def test_the_index_names_every_decision_and_how_it_stands() -> None:
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text()
    rows = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| .+ \| (?:accepted|replaced by \d+) \| \d{4}-\d\d-\d\d \|$", index, flags=re.M
    )
    assert [name for _, name in rows] == sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert all(name.startswith(number) for number, name in rows)
