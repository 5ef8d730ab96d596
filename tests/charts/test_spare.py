"""The spare pod in the chart: off until it is asked for, found by the front door, reached by it alone."""

import dataclasses

from services.ensemble.settings import settings_from
from services.model.settings import PREFIX, Settings
from tests.charts.rendered import SHIPPED, environment, needs_helm, pod_specs, render

pytestmark = needs_helm

NAME = "strata-spare"
OBJECTS = {"spare": {"enabled": True}, "networkPolicy": {"enabled": True}}


def test_there_is_none_until_it_is_asked_for() -> None:
    objects = render({})
    assert not [name for _, name in objects if "spare" in name]
    (front_door,) = pod_specs(objects)["Deployment/strata-ensemble"]["containers"]
    assert "ENSEMBLE_SPARE" not in environment(front_door)


def test_the_front_door_finds_it() -> None:
    objects = render(OBJECTS)
    (front_door,) = pod_specs(objects)["Deployment/strata-ensemble"]["containers"]
    settings = settings_from(environment(front_door))
    assert settings.spare == f"{NAME}.demo.svc.cluster.local:80"
    service = objects["Service", NAME]["spec"]
    deployment = objects["Deployment", NAME]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    (port,) = service["ports"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert port["targetPort"] in {each["name"] for each in container["ports"]}


def test_its_variables_are_its_settings() -> None:
    (container,) = pod_specs(render(OBJECTS))[f"Deployment/{NAME}"]["containers"]
    names = {name for name in environment(container) if name.startswith(PREFIX)}
    assert names <= {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}


def test_it_has_the_time_to_drain_and_to_say_so() -> None:
    assert pod_specs(render(OBJECTS))[f"Deployment/{NAME}"]["terminationGracePeriodSeconds"] > Settings.drain_s


def test_it_may_be_the_models_of_the_image_and_none_that_has_a_file() -> None:
    file = {"architecture": "sleep", "runtime": "sleep", "weights": "random://1"}
    objects = render({"spare": {"enabled": True}, "models": {SHIPPED[0]: {"file": file}, "own": {"file": file}}})
    (container,) = pod_specs(objects)[f"Deployment/{NAME}"]["containers"]
    expected = ",".join(f"/opt/strata/models/{name}" for name in SHIPPED[1:])
    assert environment(container)["MODEL_SPARE"] == expected


def test_the_front_door_alone_reaches_it() -> None:
    objects = render(OBJECTS)
    policy = objects["NetworkPolicy", NAME]["spec"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    front_door = objects["Deployment", "strata-ensemble"]["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= front_door.items()
    assert policy["podSelector"]["matchLabels"] == objects["Service", NAME]["spec"]["selector"]
