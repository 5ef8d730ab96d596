"""Imports go one way: quant <- domain <- usecases <- edges <- __main__, and no service imports another."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"contracts", "edge", "zoo"}
COMPOSERS = {"cli", "bench"}
EDGE_LIBRARIES = {"grpc", "ray", "kserve", "fastapi", "uvicorn", "starlette", "typer"}
# A file's rank by name; it imports only files of its own service with a lower or the same rank.
RANKS = {"domain": 0, "settings": 0, "usecases": 1, "converters": 1, "__main__": 3}
EDGE_RANK = 2
EDGES = {"grpc_api", "http_api", "ray_app", "kserve_model"}


def modules() -> list[Path]:
    return [
        path
        for package in ("quant", "services")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "contracts" not in path.relative_to(ROOT).parts
    ]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in modules() if named(path).startswith("quant/")], ids=named)
def test_quant_imports_torch_and_numpy_and_nothing_else_of_ours(path: Path) -> None:
    allowed = {"torch", "numpy", "quant"}
    standard = {"services", "torchvision", "PIL", "matplotlib", "logging", "time", "os", "pathlib", "io", "random"}
    roots = {name.split(".")[0] for name in imported(path)}
    assert not (roots - allowed) & (standard | EDGE_LIBRARIES)


@pytest.mark.parametrize("path", [path for path in modules() if named(path).startswith("services/")], ids=named)
def test_a_service_imports_the_shared_parts_and_never_another_service(path: Path) -> None:
    service = path.relative_to(ROOT / "services").parts[0]
    others = {name.split(".")[1] for name in imported(path) if name.startswith("services.")} - {service}
    if service not in COMPOSERS:
        assert others <= SHARED


@pytest.mark.parametrize("path", [path for path in modules() if path.stem in {"domain", "usecases"}], ids=named)
def test_decisions_import_no_edge_library(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & (EDGE_LIBRARIES - {"grpc"})
    if path.stem == "domain":
        assert "grpc" not in {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", [path for path in modules() if named(path).startswith("services/")], ids=named)
def test_files_of_a_service_import_downwards(path: Path) -> None:
    rank = EDGE_RANK if path.stem in EDGES else RANKS.get(path.stem)
    if rank is None:
        return
    service = path.parent.relative_to(ROOT).as_posix().replace("/", ".")
    for name in imported(path):
        if name.startswith(f"{service}."):
            part = name.removeprefix(f"{service}.").split(".")[0]
            assert (EDGE_RANK if part in EDGES else RANKS.get(part, 0)) <= rank, f"{named(path)} imports {name}"


def test_only_edges_and_conversions_touch_generated_messages() -> None:
    users = {path for path in modules() if any(name.startswith("services.contracts") for name in imported(path))}
    allowed = EDGES | {"converters", "members", "client", "__main__"}
    strays = {named(path) for path in users if path.stem not in allowed and path.parent.name not in COMPOSERS}
    assert not strays
