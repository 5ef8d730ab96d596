"""Values: what is refused before anything is installed, and what arrives."""

import dataclasses
import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ensemble import settings as ensemble_settings
from services.ensemble.ensemble_file import EnsembleFile
from services.model import settings as model_settings
from services.zoo.model_file import ModelFile
from tests.charts.rendered import (
    CHART,
    MEMBERS,
    OWN_MODEL,
    PAIR,
    SHIPPED,
    VALUE_SETS,
    Document,
    Refused,
    environment,
    files_of,
    model_of,
    needs_helm,
    pod_specs,
    render,
)

pytestmark = needs_helm


def named_as(pipeline: str, stage: str) -> Document:
    """A pipeline of one stage, whose Service is called PIPELINE-STAGE."""
    stages = [{"name": stage, "last": None, "memory": "1Gi"}]
    return {pipeline: {"file": {"architecture": "alexnet_3c4f", "weights": "random://0"}, "stages": stages}}


MODEL_SETTINGS = {field.name for field in dataclasses.fields(model_settings.Settings)}


ENSEMBLE_SETTINGS = set(ensemble_settings.Settings.model_fields)


DETECTOR = {
    "architecture": "yolov3-tiny",
    "weights": "s3://b/yolov3-tiny.weights",
    "input": {"size": [416, 416], "fit": "letterbox"},
    "detection": {"threshold": 0.3},
}
ONNX_DETECTOR = {
    "weights": "s3://b/m.onnx",
    "classes": 80,
    "input": {"size": [640, 640], "fit": "letterbox"},
    "detection": {"kind": "yolov5", "heads": [{"value": "fine", "anchors": [[10, 13], [16.5, 30]]}]},
}
NO_ANCHORS = {"detection": {"heads": [{"value": "fine"}]}}
INT8 = {"weights": "s3://b/m.pt2", "precision": "int8"}
PAIR_OF_TWO = {"members": [{"model": SHIPPED[1]}, {"model": SHIPPED[2]}]}
WITHOUT_FASHION = {"ensembles": {"pair": PAIR_OF_TWO}, "test": {"ensemble": "pair"}}
LONG_LABELS = {
    "models": {f"m{n}": {"file": {"weights": "s3://b/m.onnx", "labels": ["x" * 1000] * 130}} for n in range(2)}
}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": {}}, "model"),
        ({"modelDefaults": {"protocoll": "grpc"}}, "protocoll"),
        ({"modelDefaults": {"protocol": "http"}}, "/modelDefaults/protocol"),
        ({"modelDefaults": {"scale": {"min": "0"}}}, "/modelDefaults/scale/min"),
        ({"modelDefaults": {"scale": {"min": -1}}}, "/modelDefaults/scale/min"),
        ({"modelDefaults": {"timeoutS": 601}}, "/modelDefaults/timeoutS"),
        ({"modelDefaults": {"resources": {"limits": {"cpu": "lots"}}}}, "/modelDefaults/resources/limits/cpu"),
        ({"modelDefaults": {"resources": {"limits": {"gpu": 1}}}}, "gpu"),
        ({"models": {"Fashion_MobileNet": {}}}, "Fashion_MobileNet"),
        ({"models": {"m": {"trafic": {}}}}, "trafic"),
        ({"models": {"m": {"traffic": {"latestPercent": 20}}}}, "stableRevision"),
        ({"models": {"m": {"traffic": {"latestPercent": 120, "stableRevision": "m-1"}}}}, "latestPercent"),
        ({"models": {"m": {"file": {"weights": "random://1", "wieghts": "random://1"}}}}, "wieghts"),
        ({"models": {"m": {"file": {"weights": "resnet50.safetensors"}}}}, "/models/m/file/weights"),
        ({"models": {"m": {"file": {"weights": "random://1", "runtime": "tensorrt"}}}}, "/models/m/file/runtime"),
        ({"ensemble": {"ray": "true"}}, "/ensemble/ray"),
        ({"ensemble": {"replica": 2}}, "replica"),
        ({"ensembles": {"pair": {**PAIR, "rule": "median"}}}, "/ensembles/pair/rule"),
        ({"ensembles": {"pair": {"members": []}}}, "/ensembles/pair/members"),
        ({"ensembles": {"pair": {"members": [{"model": "alexnet"}]}}}, 'member "alexnet"'),
        ({"ensembles": {"p" * 53: PAIR}}, "p" * 53),
        ({"ensembles": {"pair": {**PAIR, "rule": "mean"}}}, "/ensembles/pair/members/1/weight"),
        ({"ensembles": {"pair": {"members": MEMBERS}}}, "/ensembles/pair/members/1/weight"),
        ({"ensembles": {"pair": {**PAIR, "members": [*MEMBERS, {"model": SHIPPED[0]}]}}}, "named twice"),
        ({"ensembles": {"pair": {"members": [{"model": f"m{n}"} for n in range(11)]}}}, "/ensembles/pair/members"),
        ({"ensemble": {"files": {"fashion": None}}}, "at least one ensemble"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.safetensors"}}}}, "architecture"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.pt2", "architecture": "alexnet"}}}}, "architecture"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.pt2", "precision": "int4"}}}}, "/models/m/file/precision"),
        ({"models": {"m": {"file": INT8}}}, "integers"),
        ({"models": {"m": {"file": {**INT8, "integers": "m.integers"}}}}, "/models/m/file/integers"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.pt2", "integers": "s3://b/m"}}}}, "/models/m/file/integers"),
        ({"models": {"m": {"file": {**INT8, "integers": "s3://b/m", "runtime": "torch"}}}}, "/models/m/file/runtime"),
        ({"models": {"m": {"file": {**INT8, "calibration": "pictures"}}}}, "calibration"),
        ({"models": {"m": {"file": {**DETECTOR, "architecture": "darknet"}}}}, "cfg"),
        ({"models": {"m": {"file": {**ONNX_DETECTOR, **NO_ANCHORS}}}}, "anchors"),
        ({"models": {"m": {"file": {**DETECTOR, "cfg": "s3://b/m.cfg"}}}}, "/models/m/file/cfg"),
        (
            {"models": {"m": {"file": {"weights": "s3://b/m.pt2", "batching": {"largest": 0}}}}},
            "/models/m/file/batching",
        ),
        ({"modelDefaults": {"maxQueue": 0}}, "/modelDefaults/maxQueue"),
        ({"ensemble": {"maxOngoing": 0}}, "/ensemble/maxOngoing"),
        ({"modelDefaults": {"protocol": "rest"}, "ensembles": {"pair": PAIR}}, "protocol grpc"),
        ({"images": {"model": ""}}, "/images/model"),
        ({"models": {SHIPPED[0]: {"scale": {"min": 5}}}}, f"models.{SHIPPED[0]}: scale.min 5 is over scale.max 4"),
        ({"modelDefaults": {"resources": {"requests": {"cpu": "1001m"}}}}, "requests.cpu 1001m is over"),
        ({"models": {SHIPPED[0]: {"resources": {"requests": {"memory": "2Gi"}}}}}, f"models.{SHIPPED[0]}: resources"),
        ({"ensemble": {"resources": {"requests": {"memory": 3e9}}}}, "ensemble: resources.requests.memory"),
        (
            {"spare": {"enabled": True, "resources": {"requests": {"cpu": 2}}}},
            "spare: resources.requests.cpu 2 is over",
        ),
        (
            {"spare": {"enabled": True}, "models": {"strata-spare": OWN_MODEL["resnet-50"]}},
            "strata-spare: the spare pod's own",
        ),
        ({"models": {"fashion-mobilnet-v2": {"scale": {"min": 1}}}}, "models.fashion-mobilnet-v2: no such model in"),
        ({"models": dict.fromkeys(SHIPPED)}, "/models"),
        ({"models": {SHIPPED[0]: None}}, f'ensemble fashion: member "{SHIPPED[0]}" is not one of the models'),
        ({"test": {"ensemble": "fashon"}}, 'test.ensemble: "fashon" is not one of the ensembles: fashion'),
        ({"ensembles": {"fashion": PAIR}}, "ensembles.fashion: ensemble.files has an ensemble of this name"),
        ({"ensemble": {"ray": "kuberay", "replicas": 2}}, "ensemble.replicas: 2"),
        ({"modelDefaults": {"scale": {"window": "5s"}}}, "scale.window 5s is not from 6s to 1h"),
        ({"modelDefaults": {"scale": {"window": "3601s"}}}, "scale.window 3601s is not"),
        ({"modelDefaults": {"scale": {"window": "6500ms"}}}, "scale.window 6500ms is not"),
        ({"models": {SHIPPED[0]: {"scale": {"retention": "90m"}}}}, f"models.{SHIPPED[0]}: scale.retention 90m is not"),
        ({"modelDefaults": {"scale": {"retention": "1h1s"}}}, "scale.retention 1h1s is not"),
        ({"modelDefaults": {"scale": {"max": 5_000_000_000}}}, "/modelDefaults/scale/max"),
        ({"modelDefaults": {"scale": {"burstCapacity": -2}}}, "/modelDefaults/scale/burstCapacity"),
        ({"modelDefaults": {"maxMessageBytes": 2**31}}, "/modelDefaults/maxMessageBytes"),
        ({"ensemble": {"maxMessageBytes": 2**31}}, "/ensemble/maxMessageBytes"),
        ({"ensembles": {"pair": {**PAIR, "deadline_ms": 3_600_001}}}, "/ensembles/pair/deadline_ms"),
        ({"models": {SHIPPED[0]: {"secret": "a..b"}}}, f"/models/{SHIPPED[0]}/secret"),
        ({"models": {SHIPPED[0]: {"secret": "Upper"}}}, f"/models/{SHIPPED[0]}/secret"),
        ({"ensemble": {"podAnnotations": {"strata.dev/model-m": "{}"}}}, "strata.dev/model-m"),
        ({"ensemble": {"extraEnv": [{"value": "1"}]}}, "/ensemble/extraEnv/0"),
        ({"ensemble": {"extraEnv": [{"name": "A", "value": 1}]}}, "/ensemble/extraEnv/0/value"),
        ({"ensemble": {"nodeSelector": {"gpu": True}}}, "/ensemble/nodeSelector/gpu"),
        (LONG_LABELS, "and a pod carries at most 250000"),
        ({"models": {"strata-ensemble": OWN_MODEL["resnet-50"]}}, "strata-ensemble: the front door's own"),
        ({"pipelines": named_as("strata", "store")}, "strata-store: the store's own"),
        ({"pipelines": named_as("strata", "ensemble")}, "strata-ensemble: the front door's own"),
    ],
)
def test_wrong_values_fail_at_install_and_are_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=re.escape(named)):
        render(values)


@pytest.mark.parametrize(
    ("release", "options", "fault"),
    [
        ("1st", [], 'release name "1st": begin it with a letter'),
        ("my.release", [], 'release name "my.release": begin it with a letter, and go on with letters, digits'),
        ("r" * 39, ["--set", "ensemble.ray=kuberay"], "at most 38 characters"),
        ("r" * 38, ["--set", "ensemble.ray=kuberay"], ""),
        ("r" * 53, [], ""),
    ],
)
def test_a_release_is_named_as_its_objects_may_be(release: str, options: list[str], fault: str) -> None:
    command = ["helm", "template", release, str(CHART), "--kube-version", "1.34.0", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert bool(result.returncode) == bool(fault)
    assert fault in result.stderr


def keys_of(values: Document, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that has a default, sections and settings alike, but not the entries of maps that a user fills."""
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict) and key not in ("models", "files", "resources"):
            yield from keys_of(value, (*path, key))


def nested(path: tuple[str, ...], value: Any) -> Any:
    """Put a value under keys."""
    return {path[0]: nested(path[1:], value)} if path else value


@pytest.mark.parametrize("path", list(keys_of(yaml.safe_load((CHART / "values.yaml").read_text()))), ids=".".join)
def test_null_in_place_of_a_default_is_refused_and_named(path: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=path[-1]):
        render(nested(path, None))


@pytest.mark.parametrize("path", [("limits",), ("requests",), ("limits", "cpu"), ("requests", "memory")], ids=".".join)
@pytest.mark.parametrize("section", ["modelDefaults", "ensemble"])
def test_null_takes_a_request_or_a_limit_away(section: str, path: tuple[str, ...]) -> None:
    objects = render(nested((section, "resources", *path), None))
    owner = objects["Deployment", "strata-ensemble"] if section == "ensemble" else model_of(objects, SHIPPED[0])
    (container,) = owner["spec"]["template"]["spec"]["containers"]
    left = functools.reduce(lambda found, key: found.get(key, {}), path, container["resources"])
    assert left == {}


@pytest.mark.parametrize("name", ["resnet-50", SHIPPED[0]])
def test_null_takes_a_model_away_whole_in_whatever_file_of_values_it_stands(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(json.dumps({"models": OWN_MODEL, "ensemble": {"files": {"fashion": None}}, **WITHOUT_FASHION}))
    second.write_text(json.dumps({"models": {name: None}}))
    files = [word for file in (first, second) for word in ("--values", str(file))]
    command = ["helm", "template", "strata", str(CHART), "--kube-version", "1.34.0", *files]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert name not in text


def test_a_chart_that_contains_this_one_may_take_models_away_and_turn_it_off(tmp_path: Path) -> None:
    dependency = {"name": "strata", "version": ">0", "repository": f"file://{CHART}", "condition": "strata.enabled"}
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "0.0.1", "dependencies": [dependency]}
    values = {"models": {SHIPPED[0]: None, "resnet-50": None}, "ensemble": {"files": {"fashion": None}}}
    (tmp_path / "Chart.yaml").write_text(json.dumps(chart))
    (tmp_path / "charts").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / "strata")

    def rendered(**more: object) -> str:
        text = json.dumps({"global": {"x": 1}, "strata": {**values, **WITHOUT_FASHION, **more}})
        (tmp_path / "values.yaml").write_text(text)
        command = ["helm", "template", "all", str(tmp_path), "--kube-version", "1.34.0"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    here = rendered(enabled=True)
    assert SHIPPED[0] not in here
    assert "resnet-50" not in here
    assert SHIPPED[1] in here
    assert rendered(enabled=False).strip() == ""


def test_numbers_arrive_as_the_digits_that_were_given() -> None:
    file = {
        **OWN_MODEL["resnet-50"]["file"],
        "parameters": {"small": 0.00001, "large": 3_000_000},
        "classes": 1_000_000,
    }
    model: Document = {"maxQueue": 1_000_000, "maxBatch": 999_999, "maxMessageBytes": 2_000_000_000, "timeoutS": 600}
    model |= {"scale": {"min": 1_000_000, "max": 2_147_483_647, "burstCapacity": 1_234_567}, "file": file}
    door: Document = {
        "replicas": 1000,
        "maxOngoing": 1_000_000,
        "maxPictures": 1_000_000,
        "maxMessageBytes": 2_000_000_000,
    }
    door |= {"scratch": 5_000_000_000, "resources": {"limits": {"memory": 3_000_000_000}}}
    objects = render({"models": {"large": model}, "ensemble": door})
    template = model_of(objects, "large")["spec"]["template"]
    scale = {key.rpartition("/")[2]: value for key, value in template["metadata"]["annotations"].items()}
    assert (scale["min-scale"], scale["max-scale"]) == ("1000000", "2147483647")
    assert scale["target-burst-capacity"] == "1234567"
    assert files_of(template)["/etc/strata/models/large.yaml"] == {"name": "large", **file}
    settings = model_settings.settings_from(environment(template["spec"]["containers"][0]))
    assert (settings.max_queue, settings.max_batch, settings.max_message_bytes) == (1_000_000, 999_999, 2_000_000_000)
    deployment = objects["Deployment", "strata-ensemble"]["spec"]
    assert deployment["replicas"] == 1000
    assert deployment["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] == "5000000000"
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "3000000000"
    front_door = ensemble_settings.settings_from(environment(container))
    assert (front_door.max_ongoing, front_door.max_pictures) == (1_000_000, 1_000_000)
    assert front_door.max_message_bytes == 2_000_000_000
    assert front_door.members["large"].max_batch == 999_999


@pytest.mark.parametrize("name", ["on", "null", "true", "y", "no"])
def test_a_name_that_yaml_reads_as_something_else_stays_a_name(name: str) -> None:
    objects = render({"models": {name: OWN_MODEL["resnet-50"]}})
    template = model_of(objects, name)["spec"]["template"]
    assert environment(template["spec"]["containers"][0])["MODEL_NAME"] == name
    assert template["metadata"]["labels"]["strata.dev/model"] == name
    assert list(files_of(template)) == [f"/etc/strata/models/{name}.yaml"]


@pytest.mark.parametrize(
    "image",
    [
        "model",
        "strata/model:1",
        "localhost/model",
        "registry.example.com/a/b_c/model:1.0-rc.1",
        "Registry.example.com:5000/model",
        "registry:5000/model:1",
        "[::1]:5000/model:1",
        "[2001:db8::1]/model",
        f"registry.example.com/model:1@sha256:{'0' * 64}",
    ],
)
def test_an_image_that_exists_anywhere_is_taken_as_it_is(image: str) -> None:
    template = model_of(render({"images": {"model": image, "pullSecrets": ["1st.secret"]}}), SHIPPED[0])["spec"][
        "template"
    ]
    assert template["spec"]["containers"][0]["image"] == image
    assert template["spec"]["imagePullSecrets"] == [{"name": "1st.secret"}]


@pytest.mark.parametrize(
    "image",
    [
        "http://registry/model:1",
        "https://registry.example.com/model",
        "strata/Model:1",
        "Strata/model:1",
        "strata/model:",
        "strata/model:-1",
        "strata//model",
        "/model",
        "strata/model@sha256:0123",
        f"strata/model@md5:{'0' * 32}",
        "strata/model 1",
        "::1/model",
    ],
)
def test_an_image_that_no_registry_can_have_is_refused(image: str) -> None:
    with pytest.raises(Refused, match="/images/model"):
        render({"images": {"model": image}})


@pytest.mark.parametrize("duration", ["6s", "59m59s", "1h", "60m", "3600s", "1h0m0s", "6000ms", "0.5h"])
def test_a_window_that_knative_takes_is_taken(duration: str) -> None:
    annotations = model_of(render({"modelDefaults": {"scale": {"window": duration}}}), SHIPPED[0])["spec"]["template"]
    assert annotations["metadata"]["annotations"]["autoscaling.knative.dev/window"] == duration


@pytest.mark.parametrize(
    "values",
    [
        {
            "ensembles": {"p" * 52: {"members": [{"model": SHIPPED[0]}]}},
            "ensemble": {"files": {"fashion": None}},
            "test": {"ensemble": "p" * 52},
        },
        {"ensembles": {"pair": {"members": [{"model": SHIPPED[0], "weight": 1.0}], "rule": "mean"}}},
        {"models": {"m": {"file": {"weights": "s3://b/m.pt2"}}}},
        {"models": {"m": {"file": {"weights": "random://1", "architecture": "alexnet"}}}},
        {"models": {"m": {"file": {"weights": "s3://b/m.pt2", "precision": "int8", "integers": "s3://b/m.integers"}}}},
        {"models": {"m": {"file": {"weights": "s3://b/m.pt2", "batching": {"largest": 4, "wait_ms": 0.5}}}}},
        {"models": {"m": {"file": {"weights": "s3://b/m.pt2", "batching": "off", "input": {"kind": "sound"}}}}},
        {"models": {"m": {"file": {**DETECTOR, "precision": "int8", "integers": "s3://b/m.integers"}}}},
        {"models": {"m": {"file": {**DETECTOR, "architecture": "darknet", "cfg": "s3://b/m.cfg"}}}},
        {"models": {"m": {"file": ONNX_DETECTOR}}},
        {"models": {"m": {"file": {**INT8, "integers": "file:///opt/m.integers", "runtime": "openvino"}}}},
        {"modelDefaults": {"scale": {"min": 5, "max": 0}, "resources": {"requests": {"cpu": "1000m", "memory": 1e9}}}},
    ],
)
def test_what_the_services_take_the_schema_takes_too(values: dict[str, Any]) -> None:
    objects = render(values)
    template = objects["Deployment", "strata-ensemble"]["spec"]["template"]
    for path, content in files_of(template).items():
        declared = {**content, "file": Path(path), "folder": Path()}
        fields = EnsembleFile if "members" in declared else ModelFile
        fields.model_validate({key: each for key, each in declared.items() if key in fields.model_fields})


def test_receipts_are_kept_on_the_claim_that_values_name() -> None:
    for ray in ("deployment", "kuberay"):
        (spec,) = [
            spec
            for owner, spec in pod_specs(render({"ensemble": {"ray": ray, "receipts": {"claim": "kept"}}})).items()
            if any(each["name"] == "ensemble" for each in spec["containers"]) and "enforce" not in owner
        ]
        assert {"name": "receipts", "persistentVolumeClaim": {"claimName": "kept"}} in spec["volumes"]
        assert spec["securityContext"] == {"fsGroup": 10001}


# What the platform gives, or the image has: nothing an installer could choose.
NOT_VALUES = {
    "MODEL_": {"SERVER", "GRPC_ADDRESS", "HTTP_ADDRESS", "THREADS", "DRAIN_S"},
    "ENSEMBLE_": {"DRAIN_S"},
}


@pytest.mark.parametrize(("prefix", "settings"), [("MODEL_", MODEL_SETTINGS), ("ENSEMBLE_", ENSEMBLE_SETTINGS)])
def test_the_chart_sets_every_setting_and_no_other(prefix: str, settings: set[str]) -> None:
    given = {
        name.removeprefix(prefix)
        for values in VALUE_SETS.values()
        for spec in pod_specs(render(values)).values()
        for container in spec["containers"]
        for name in (variable["name"] for variable in container.get("env", []))
        if name.startswith(prefix)
    }
    assert given | NOT_VALUES[prefix] == {name.upper() for name in settings}
    assert not given & NOT_VALUES[prefix]


def test_every_value_has_a_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def walk(value: Any, part: Document, path: str) -> None:
        if part.get("type") != "object" or "properties" not in part:
            return
        assert part["additionalProperties"] is False, path
        for key, child in value.items():
            walk(child, part["properties"][key], f"{path}.{key}")

    walk(values, schema, "values")
    assert set(values) == set(schema["properties"]) - {"global", "enabled"}
