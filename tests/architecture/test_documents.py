"""The documents agree with the tree: links, make targets, settings, figures, the index of the decisions."""

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "k8s/*.md", "charts/**/*.md")
    for path in ROOT.glob(pattern)
)


def headings(text: Path) -> set[str]:
    """What a link names each heading of a page by, as GitHub makes it of the heading's words."""
    found = re.findall(r"^#+ (.+)$", text.read_text(), flags=re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_every_link_leads_somewhere(text: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#?([^)#:]*)\)", (ROOT / text).read_text()):
        found = (ROOT / text).parent / target if target else ROOT / text
        assert found.exists(), target
        assert not heading or heading in headings(found), f"{target}#{heading}"


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


def test_the_quant_guide_has_the_files_of_every_verb() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)\.py` \| (.+) \| (.+) \|$", (ROOT / "docs/quant.md").read_text(), flags=re.M
    )
    verbs = importlib.import_module("services.cli.quant").VERBS
    assert {verb: f"services.cli.{file}" for verb, file, *_ in rows} == {
        verb: function.__module__ for verb, function in verbs.items() if verb != "serve"
    }
    for _, _, cases, files in rows:
        texts = [(ROOT / "services/workbench" / file).read_text() for file in re.findall(r"`(.+?)`", files)]
        for case in re.findall(r"`(\w+)`", cases):
            assert any(re.search(rf"^(def|class) {case}\b", text, flags=re.M) for text in texts), case


def test_every_figure_that_the_readme_quotes_is_of_the_run_that_it_names() -> None:
    rows = re.findall(r"^\| .+docs/results/.+ \|$", (ROOT / "README.md").read_text(), flags=re.M)
    assert rows
    for row in rows:
        quoted = re.search(r"\| ([\d.]+) \| \[`([\w.-]+)`\]\(docs/results/(\w+)\.md\), (\d{4}-\d\d-\d\d) \|$", row)
        assert quoted, row
        value, figure, area, date = quoted.groups()
        runs = map(json.loads, (ROOT / f"docs/results/{area}.runs.jsonl").read_text().splitlines())
        measured = [run["figures"].get(figure) for run in runs if run["date"] == date]
        digits = len(value.partition(".")[2])
        assert value in [f"{each:.{digits}f}" for each in measured if each is not None], row


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z0-9-]+):.*## \S", makefile, flags=re.M))
    assert set(" ".join(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.M)).split()) == described


def test_the_index_names_every_decision_by_its_title_and_how_it_stands() -> None:
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text()
    rows = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| (.+) \| (?:accepted|replaced by \d+) \| \d{4}-\d\d-\d\d \|$", index, flags=re.M
    )
    assert [name for _, name, _ in rows] == sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert all(name.startswith(number) for number, name, _ in rows)
    for number, name, title in rows:
        assert (folder / name).read_text().partition("\n")[0] == f"# {number}. {title}"
