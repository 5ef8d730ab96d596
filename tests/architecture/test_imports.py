"""Imports go one way: quant <- domain <- usecases <- edges <- __main__, and no service imports another."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"artifacts", "contracts", "edge", "zoo"}
COMPOSERS = {"cli", "bench"}
EDGE_LIBRARIES = {"grpc", "ray", "kserve", "fastapi", "uvicorn", "starlette", "typer", "httpx", "prometheus_client"}
SERVERS = {"services.edge.grpc_server", "services.edge.http_app", "services.edge.http_server"}
DOMAIN, USECASES, EDGE, MAIN = range(4)
# The rank of each file of a service: it imports only files of its own service with a lower or the same rank.
RANKS: dict[str, dict[int, str]] = {
    "ensemble": {
        DOMAIN: "domain intervals rules preparation fan_out ensemble_file accuracy labelled",
        USECASES: "usecases loading tally evaluation",
        EDGE: "settings members client pictures metrics converters http_bodies grpc_api http_api front_door graph "
        "ray_app ray_graph",
        MAIN: "process __main__",
    },
    "model": {
        DOMAIN: "domain tensors",
        USECASES: "usecases",
        EDGE: "settings metrics converters open_inference_json grpc_api http_api kserve_model",
        MAIN: "process __main__",
    },
    "stage": {DOMAIN: "domain", USECASES: "usecases", EDGE: "settings converters grpc_api", MAIN: "process __main__"},
    "pipeline": {DOMAIN: "domain", USECASES: "packing", EDGE: "client"},
    "workbench": {
        DOMAIN: "engine_model integers graph_codec tensor_codec model_codec integer_codec findings augmentation "
        "pictures",
        USECASES: "engines calibrating running crossing exporting report session",
        EDGE: "files picture_files drawing opening",
    },
    "loadtest": {
        DOMAIN: "scenario arrivals samples answers confidence summary verdict search",
        USECASES: "generator run document report",
        EDGE: "messages targets",
    },
    "local": {EDGE: "child process process_status running supervisor models"},
    "cluster": {USECASES: "usecases", EDGE: "kubernetes_api", MAIN: "__main__"},
}
# Neither reads nor writes anything, asks no clock, knows no environment, keeps no log.
QUANT_IMPORTS = {
    *("torch", "numpy", "quant"),
    *(
        "abc",
        "collections",
        "copy",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "itertools",
        "math",
        "operator",
        "statistics",
    ),
    *("typing", "importlib", "pkgutil"),
}


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


def service_of(path: Path) -> str:
    return path.relative_to(ROOT / "services").parts[0]


def rank(service: str, stem: str) -> int:
    ranks = [rank for rank, stems in RANKS[service].items() if stem in stems.split()]
    assert len(ranks) == 1, f"services/{service}/{stem}.py has no rank: say in RANKS where it belongs"
    return ranks[0]


SERVICES = [path for path in modules() if named(path).startswith("services/")]
RANKED = [
    path
    for path in SERVICES
    if service_of(path) not in SHARED | COMPOSERS and path.stem != "__init__" and path.parent != ROOT / "services"
]


@pytest.mark.parametrize("path", [path for path in modules() if named(path).startswith("quant/")], ids=named)
def test_quant_imports_torch_and_numpy_and_nothing_else_of_ours(path: Path) -> None:
    assert {name.split(".")[0] for name in imported(path)} <= QUANT_IMPORTS


@pytest.mark.parametrize("path", SERVICES, ids=named)
def test_a_service_imports_the_shared_parts_and_never_another_service(path: Path) -> None:
    others = {name.split(".")[1] for name in imported(path) if name.startswith("services.")} - {service_of(path)}
    if service_of(path) not in COMPOSERS:
        assert others <= SHARED


@pytest.mark.parametrize("path", RANKED, ids=named)
def test_decisions_import_no_edge_library(path: Path) -> None:
    if rank(service_of(path), path.stem) <= USECASES:
        names = set(imported(path))
        assert not {name.split(".")[0] for name in names} & EDGE_LIBRARIES
        assert not [name for name in names if name.startswith((*SERVERS, "services.contracts"))]


@pytest.mark.parametrize("path", RANKED, ids=named)
def test_files_of_a_service_import_downwards(path: Path) -> None:
    service = service_of(path)
    for name in imported(path):
        if name.startswith(f"services.{service}."):
            assert rank(service, name.split(".")[2]) <= rank(service, path.stem), f"{named(path)} imports {name}"


def test_only_edges_touch_generated_messages() -> None:
    users = [path for path in RANKED if any(name.startswith("services.contracts") for name in imported(path))]
    assert {rank(service_of(path), path.stem) for path in users} == {EDGE}
