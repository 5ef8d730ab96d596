"""The console in the chart: off until it has a database, a store and a key, which the workbench shares."""

from typing import Any

import pytest

from services.console.settings import PREFIX, Settings
from tests.charts.rendered import Document, Refused, model_of, needs_helm, render

pytestmark = needs_helm

STORE = {"url": "s3://console/files", "endpoint": "http://s3:7070", "secret": "console-store"}
WHOLE = {"enabled": True, "secret": "console", "store": STORE}


def values(**console: Any) -> dict[str, Any]:
    return {"workbench": {"enabled": True}, "console": {**WHOLE, **console}}


def container_of(objects: Any, component: str) -> Document:
    (container,) = model_of(objects, f"strata-{component}")["spec"]["template"]["spec"]["containers"]
    found: Document = container
    return found


def secrets_of(container: Document) -> dict[str, tuple[str, str]]:
    chosen = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}
    return {name: (ref["name"], ref["key"]) for name, ref in chosen.items()}


def test_there_is_none_until_it_is_asked_for() -> None:
    objects = render({"workbench": {"enabled": True}})
    assert not [name for _, name in objects if "console" in name]
    assert secrets_of(container_of(objects, "workbench")) == {}


def test_its_variables_are_its_settings() -> None:
    given = [each["name"] for each in container_of(render(values()), "console")["env"]]
    names = {name for name in given if name.startswith(PREFIX)}
    assert names <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert {f"{PREFIX}{name}" for name in ("DATABASE", "STORE", "TOKEN_KEY", "WORKBENCH")} <= names


def test_the_workbench_believes_what_the_console_signs() -> None:
    objects = render(values())
    ours, theirs = (secrets_of(container_of(objects, each)) for each in ("console", "workbench"))
    assert ours["CONSOLE_TOKEN_KEY"] == theirs["WORKBENCH_TOKEN_KEY"] == ("console", "tokenKey")
    variables = {each["name"]: each.get("value") for each in container_of(objects, "console")["env"]}
    assert variables["CONSOLE_WORKBENCH"] == "strata-workbench.demo.svc.cluster.local:80"


def test_a_database_of_its_own_keeps_its_password_for_itself() -> None:
    objects = render(values(database={"own": True, "claim": "users"}))
    variables = container_of(objects, "console")["env"]
    assert secrets_of({"env": variables})["DATABASE_PASSWORD"] == ("strata-console-database", "password")
    url = next(each["value"] for each in variables if each["name"] == "CONSOLE_DATABASE")
    assert url == "postgresql://strata:$(DATABASE_PASSWORD)@strata-console-database.demo.svc.cluster.local/postgres"
    # Kubernetes puts a variable into those after it alone.
    names = [each["name"] for each in variables]
    assert names.index("DATABASE_PASSWORD") < names.index("CONSOLE_DATABASE")
    pod = objects["Deployment", "strata-console-database"]["spec"]["template"]["spec"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "users"}} in pod["volumes"]
    assert ("Service", "strata-console-database") in objects


def test_it_looks_at_the_front_door_and_at_the_outputs_that_are_named() -> None:
    def variables(**console: Any) -> dict[str, str]:
        return {each["name"]: each.get("value") for each in container_of(render(values(**console)), "console")["env"]}

    assert variables()["CONSOLE_ENSEMBLES"] == "http://strata-ensemble.demo.svc.cluster.local:80"
    assert "CONSOLE_JOBS" not in variables()
    assert variables(pipelines=["s3://jobs/a", "s3://jobs/b"])["CONSOLE_JOBS"] == "s3://jobs/a,s3://jobs/b"


def test_it_counts_the_members_pods_and_may_ask_for_nothing_else() -> None:
    objects = render(values())
    (rule,) = objects["Role", "strata-console"]["rules"]
    assert rule == {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    (subject,) = objects["RoleBinding", "strata-console"]["subjects"]
    spec = model_of(objects, "strata-console")["spec"]["template"]["spec"]
    assert subject["name"] == spec["serviceAccountName"] == "strata-console"
    assert {"name": "CONSOLE_RELEASE", "value": "strata"} in spec["containers"][0]["env"]


@pytest.mark.parametrize("chosen", [{"console": {**WHOLE, "countPods": False}}, {"ensemble": {"replicas": 0}}])
def test_where_it_counts_no_pods_it_has_no_rights(chosen: dict[str, Any]) -> None:
    objects = render({**values(), **chosen})
    assert not {kind for kind, name in objects if name == "strata-console"} & {"Role", "RoleBinding", "ServiceAccount"}
    spec = model_of(objects, "strata-console")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert "CONSOLE_RELEASE" not in [each["name"] for each in spec["containers"][0]["env"]]


def test_policies_let_knative_in_and_the_console_to_the_front_door() -> None:
    clients = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    policy = {"enabled": True, "clients": clients, "knativeNamespaces": ["edge"]}
    objects = render({**values(database={"own": True}), "networkPolicy": policy})
    console = model_of(objects, "strata-console")["spec"]["template"]["metadata"]["labels"]
    (to_door,) = objects["NetworkPolicy", "strata-ensemble"]["spec"]["ingress"]
    assert clients[0] in to_door["from"]
    assert [each for each in to_door["from"] if each["podSelector"]["matchLabels"].items() <= console.items()]
    (to_database,) = objects["NetworkPolicy", "strata-console-database"]["spec"]["ingress"]
    assert [each for each in to_database["from"] if each["podSelector"]["matchLabels"].items() <= console.items()]
    for name in ("console", "workbench"):
        spec = objects["NetworkPolicy", f"strata-{name}"]["spec"]
        pod = model_of(objects, f"strata-{name}")["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= pod.items()
        ((peer,),) = (rule["from"] for rule in spec["ingress"])
        assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["edge"]


def test_two_pods_never_do_one_run() -> None:
    template = model_of(render(values()), "strata-console")["spec"]["template"]
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "1"


@pytest.mark.parametrize(
    ("console", "named"),
    [
        ({"secret": ""}, "console.secret"),
        ({"store": {**STORE, "url": ""}}, "console.store.url"),
        ({"store": {**STORE, "url": "file:///data"}}, "/console/store/url"),
        ({"scale": {"min": 2}}, "/console/scale/min"),
        ({"scale": {"window": "5s"}}, "scale.window 5s"),
        ({"resources": {"requests": {"memory": "9Gi"}}}, "console: resources.requests.memory"),
        ({"secureCookies": "yes"}, "/console/secureCookies"),
        ({"countPods": "all"}, "/console/countPods"),
        ({"replicas": 2}, "replicas"),
        ({"database": {"own": True, "size": "many"}}, "/console/database/size"),
        ({"pipelines": ["/jobs"]}, "/console/pipelines"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_installed(console: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refused:
        render(values(**console))
    assert named in str(refused.value)


def test_without_the_workbench_or_beside_a_model_of_its_name_it_is_refused() -> None:
    with pytest.raises(Refused, match="needs the workbench"):
        render({"console": WHOLE})
    model = {"strata-console": {"file": {"architecture": "resnet18", "weights": "random://1"}}}
    with pytest.raises(Refused, match="console's own Service"):
        render({**values(), "models": model})
