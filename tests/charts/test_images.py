"""One word for one component: Dockerfile target, image, skaffold artifact, chart value; and the images' locks."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.bench.cluster import INGRESS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def _targets() -> dict[str, str]:
    """Find the stages that are images of their own: those with an entry point. Name -> text."""
    stages = re.split(r"^FROM \S+ AS (\w+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {name: body for name, body in zip(stages[::2], stages[1::2], strict=True) if "ENTRYPOINT" in body}


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_targets_artifacts_and_chart_components_are_the_same() -> None:
    skaffold = _yaml("skaffold.yaml")
    artifacts = {artifact["image"]: artifact["docker"]["target"] for artifact in skaffold["build"]["artifacts"]}
    images = _yaml("charts/strata/values.yaml")["images"]
    components = {name: image for name, image in images.items() if name in _targets()}
    templates = {folder.name for folder in (ROOT / "charts/strata/templates").iterdir() if folder.is_dir()} - {
        "hooks",
        "store",
        "tests",
    }
    assert {image.rpartition("/")[2]: target for image, target in artifacts.items()} == {t: t for t in _targets()}
    assert {name: image.rpartition(":")[0] for name, image in components.items()} == {
        target: image for image, target in artifacts.items()
    }
    assert templates == set(_targets())


def test_each_target_runs_the_service_of_its_name() -> None:
    for name, body in _targets().items():
        assert f'ENTRYPOINT ["python", "-m", "services.{name}"]' in body
        assert f"COPY services/{name} services/{name}" in body


@pytest.mark.parametrize("stage", ["compiled", "model", "ensemble", "console"])
def test_an_image_has_every_package_that_its_packages_import(stage: str) -> None:
    stages = re.split(r"^FROM \S+ AS (\w+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    body = dict(zip(stages[::2], stages[1::2], strict=True))[stage]
    copied = set(re.findall(r"^COPY services/(\w+) ", body, flags=re.MULTILINE))
    files = [file for package in copied for file in (ROOT / "services" / package).rglob("*.py")]
    imported = {
        name for file in files for name in re.findall(r"^\s*(?:from|import) services\.(\w+)", file.read_text(), re.M)
    }
    assert copied
    assert imported <= copied


def test_what_images_copy_is_not_ignored() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [words.split()[:-1] for words in re.findall(r"^COPY ((?!--from).*)$", DOCKERFILE, flags=re.MULTILINE)]
    left_out = {
        path
        for paths in copied
        for path in paths
        if not any(fnmatch(path, each) or path.startswith(f"{each}/") for each in let_in)
    }
    assert left_out == set()


def test_skaffold_gives_each_artifact_to_the_chart() -> None:
    (release,) = _yaml("skaffold.yaml")["deploy"]["helm"]["releases"]
    for artifact in _yaml("skaffold.yaml")["build"]["artifacts"]:
        variable = "IMAGE_FULLY_QUALIFIED_" + re.sub(r"[/.:-]", "_", artifact["image"])
        component = artifact["image"].rpartition("/")[2]
        assert release["setValueTemplates"][f"images.{component}"] == f"{{{{.{variable}}}}}"


def test_default_tags_are_the_charts_and_the_projects_version() -> None:
    version = _yaml("charts/strata/Chart.yaml")["appVersion"]
    images = _yaml("charts/strata/values.yaml")["images"]
    assert {images[name].rpartition(":")[2] for name in _targets()} == {version}
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
    for path in ("Dockerfile", "k8s/README.md"):
        assert set(re.findall(r"dev\.local/strata/\w+:(\S+)", (ROOT / path).read_text())) == {version}, path


def test_images_run_as_a_numeric_user_that_the_chart_names_too() -> None:
    users = {re.search(r"^USER (\S+)$", body, flags=re.MULTILINE)[1] for body in _targets().values()}  # type: ignore[index]
    names = (ROOT / "charts/strata/templates/_pod.tpl").read_text()
    assert users == {"10001:10001"}
    assert "runAsUser: 10001" in names


@pytest.mark.parametrize("image", ["torch", "model", "ensemble", "console"])
def test_image_locks_pin_what_the_projects_lock_pins_and_leave_torch_out(image: str) -> None:
    project = _pins(ROOT / "requirements.lock")
    locked = _pins(ROOT / "docker" / f"{image}.lock")
    assert locked.items() <= project.items(), "run `make lock`"
    assert not {name for name in locked if re.match(r"torch|triton|nvidia-|cuda-", name)}


def test_torch_of_the_images_is_the_projects() -> None:
    project = _pins(ROOT / "requirements.lock")
    assert _pins(ROOT / "docker" / "torch.txt") == {name: project[name] for name in ("torch", "torchvision")}


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", path.read_text(), flags=re.MULTILINE))


def test_commands_look_for_the_ingress_where_kind_puts_it() -> None:
    (node,) = _yaml("k8s/kind.yaml")["nodes"]
    (port,) = node["extraPortMappings"]
    assert f"http://{port['listenAddress']}:{port['hostPort']}" == INGRESS
    assert INGRESS in (ROOT / "k8s/README.md").read_text()


def test_versions_of_the_cluster_are_written_once() -> None:
    versions = dict(re.findall(r"^(\w+)=(\S+)$", (ROOT / "k8s/versions.env").read_text(), flags=re.MULTILINE))
    for path in ("k8s/install-knative", "k8s/README.md", "k8s/kind.yaml", "skaffold.yaml"):
        text = (ROOT / path).read_text()
        assert [value for value in versions.values() if value in text] == [], path
