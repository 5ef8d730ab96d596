"""Imports go one way: quant <- domain <- usecases <- adapters <- edges <- __main__; no service imports another."""

import ast
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = {"artifacts", "contracts", "edge", "zoo"}
COMPOSERS = {"cli", "bench"}
EDGE_LIBRARIES = {
    *("grpc", "ray", "kserve", "fastapi", "uvicorn", "starlette", "typer", "httpx", "prometheus_client"),
    *("locust", "gevent"),
}
SERVERS = {"services.edge.grpc_server", "services.edge.http_app", "services.edge.http_server"}
FILES = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "iterdir", "glob", "rglob", "unlink"),
    *("NamedTemporaryFile", "TemporaryDirectory"),
}
"""What reads or writes a file: an adapter's work."""
DOMAIN, USECASES, ADAPTERS, EDGES, MAIN = range(5)
# The rank of each file of a package: it imports only files of its own package with a lower or the same rank.
RANKS: dict[str, dict[int, str]] = {
    "edge": {
        DOMAIN: "errors suggestion deadline admission receipts progress whole_number message_size size_words "
        "html_page crossing_page kubernetes_pods shown_path hues "
        "body_pace call_places",
        ADAPTERS: "address cgroups cpu_share memory_share declaration environment settings meter onednn owner_token "
        "whole_files disk_room stop exit_code logs lean_logs tracing freed_memory",
        EDGES: "status remote_errors grpc_channel grpc_stalls grpc_server http_errors http_body http_hangup "
        "http_connections http_client http_server http_form http_app receipt_messages receipt_bodies grpc_tracing "
        "http_tracing ray_cluster kubernetes_api service_health",
    },
    "zoo": {
        DOMAIN: "manifest stage_manifest sounds chunks cache_folder alexnet nasnet efficientnet efficientnet_lite "
        "architectures exported detection darknet decoding resizing lean_preprocessing preprocessing quiet agreement "
        "tensor_codec graph_codec integers integer_codec",
        ADAPTERS: "cuts costs split detection_declaration model_file batching_choice name_lists catalog packages "
        "pretrained weight_references weights picture_files quantised programs runtimes onnx_form from_onnx "
        "engine_cuts references serving writers compiled declared_darknet declared_heads compile model_compile "
        "stage_compile stage_programs integer_stages measured_places",
    },
    "artifacts": {DOMAIN: "frames precision", ADAPTERS: "store folders", EDGES: "activation record"},
    "ensemble": {
        DOMAIN: "domain class_mapping intervals rules preparation fan_out accuracy served receipt_sums forecast choice "
        "answering",
        USECASES: "usecases queue places spare tally unclaimed evaluation vigil fleet",
        ADAPTERS: "ensemble_file accuracy_file labelled loading pictures metrics receipt_log",
        EDGES: "settings members chains client converters http_bodies grpc_api http_api front_door graph "
        "ray_app ray_graph",
        MAIN: "process __main__",
    },
    "model": {
        DOMAIN: "domain tensors ledger start_clock batching detections lean_asyncio",
        USECASES: "passes computing usecases spare",
        ADAPTERS: "settings metrics",
        EDGES: "converters open_inference_json grpc_api http_api kserve_model",
        MAIN: "process spare_process __main__",
    },
    "stage": {
        DOMAIN: "domain shared_meter source engine",
        USECASES: "usecases",
        ADAPTERS: "publishing",
        EDGES: "settings converters grpc_api opening journey",
        MAIN: "process publish __main__",
    },
    "pipeline": {
        DOMAIN: "domain predictions report sizing profile simulation places planning comparison means feed pools",
        USECASES: "job_store lease loss waking driver",
        ADAPTERS: "packing plan_file",
        EDGES: "converters client fed_stages ray_data ray_source",
        MAIN: "process __main__",
    },
    "workbench": {
        DOMAIN: "shared_layers engine_model graph_check model_codec findings margins judging augmentation "
        "pictures drawing augmented_pictures layer_card edit_places edit_result events session_log",
        USECASES: "engines front calibrating running crossing comparing program_metadata exporting remedies report "
        "report_tables report_page session tensor_parts compute_pool long_work shared_models open_sessions owner_store "
        "kept_sessions workbench",
        ADAPTERS: "files picture_files truths plots opening settings",
        EDGES: "requests converters comparison_messages grpc_api replies client",
        MAIN: "process __main__",
    },
    "console": {
        DOMAIN: "domain records ensembles page_hints",
        USECASES: "accounts user_files workbench_copies runs links pipeline_jobs",
        ADAPTERS: "passwords tables migrations database sql_records settings",
        EDGES: "http_bodies session_bodies work_bodies live_bodies workbench_client member_pods front_door "
        "http_callers account_routes file_routes run_routes session_routes work_routes comparison_page layer_page "
        "page_routes link_routes live_routes pages fault_page http_api",
        MAIN: "process __main__",
    },
    "loadtest": {
        DOMAIN: "scenario arrivals samples answers confidence summary verdict search",
        USECASES: "generator",
        ADAPTERS: "scenario_file run document text report",
        EDGES: "messages targets locust_clients locust_user",
    },
    "cluster": {
        DOMAIN: "domain pipeline_job cold_starts",
        USECASES: "usecases",
        EDGES: "kubectl ingress",
        MAIN: "__main__",
    },
    "local": {
        ADAPTERS: "child process process_status running noted_outputs memory_group",
        EDGES: "supervisor models stages",
    },
}
# Neither reads nor writes anything, asks no clock, knows no environment, keeps no log.
QUANT_IMPORTS = {
    *("torch", "numpy", "quant"),
    *(
        "abc",
        "bisect",
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


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imported(path: Path) -> list[str]:
    names = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def service_of(path: Path) -> str:
    return path.relative_to(ROOT / "services").parts[0]


def part_of(path: Path) -> str:
    """The file of a package, or the folder in it, that has a rank."""
    return path.relative_to(ROOT / "services").parts[1].removesuffix(".py")


def rank(service: str, part: str) -> int:
    ranks = [rank for rank, parts in RANKS[service].items() if part in parts.split()]
    assert len(ranks) == 1, f"services/{service}/{part} has no rank: say in RANKS where it belongs"
    return ranks[0]


def rank_of(path: Path) -> int:
    return rank(service_of(path), part_of(path))


SERVICES = [path for path in modules() if named(path).startswith("services/")]
RANKED = [
    path
    for path in SERVICES
    if service_of(path) not in {"contracts"} | COMPOSERS
    and path.stem != "__init__"
    and path.parent != ROOT / "services"
]
OWN = [path for path in RANKED if service_of(path) not in SHARED]


QUANT = [path for path in modules() if named(path).startswith("quant/")]


def offenders(paths: Iterable[Path], wrong: Callable[[Path], Collection[str]]) -> dict[str, Collection[str]]:
    """The files in which something is wrong, and what. One test asks all of them: a test a file takes half a minute."""
    return {named(path): found for path in paths if (found := wrong(path))}


def tops(path: Path) -> set[str]:
    """The packages that a file imports."""
    return {name.split(".")[0] for name in imported(path)}


def test_quant_imports_torch_and_numpy_and_nothing_else_of_ours() -> None:
    assert QUANT
    assert offenders(QUANT, lambda path: tops(path) - QUANT_IMPORTS) == {}


def test_a_service_imports_the_shared_parts_and_never_another_service() -> None:
    def others(path: Path) -> set[str]:
        found = {name.split(".")[1] for name in imported(path) if name.startswith("services.")}
        return found - SHARED - {service_of(path)}

    assert offenders((path for path in SERVICES if service_of(path) not in COMPOSERS), others) == {}


def test_nothing_that_is_installed_imports_examples_or_tests() -> None:
    assert offenders(SERVICES, lambda path: tops(path) & {"examples", "tests"}) == {}


def test_decisions_import_no_edge_library() -> None:
    def edges(path: Path) -> list[str]:
        at_the_edge = (*SERVERS, "services.contracts")
        return [name for name in imported(path) if name.split(".")[0] in EDGE_LIBRARIES or name.startswith(at_the_edge)]

    assert offenders((path for path in RANKED if rank_of(path) <= USECASES), edges) == {}


def test_decisions_read_and_write_no_file() -> None:
    def calls(path: Path) -> set[str]:
        called = [node.func for node in nodes(path) if isinstance(node, ast.Call)]
        return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in called} & FILES

    assert offenders((path for path in OWN if rank_of(path) <= USECASES), calls) == {}


def test_files_of_a_package_import_downwards() -> None:
    def upwards(path: Path) -> list[str]:
        service = service_of(path)
        own = [name for name in imported(path) if name.startswith(f"services.{service}.")]
        return [name for name in own if rank(service, name.split(".")[2]) > rank_of(path)]

    assert offenders(RANKED, upwards) == {}


def test_only_edges_touch_generated_messages() -> None:
    users = [path for path in RANKED if any(name.startswith("services.contracts") for name in imported(path))]
    assert {rank_of(path) for path in users} == {EDGES}
