import copy
from typing import Any

import pytest

from services.cluster.usecases import Declared, enforce
from services.edge.errors import FailedPrecondition, NotFound
from services.edge.kubernetes_pods import Document

PATH = "/apis/serving.knative.dev/v1/namespaces/demo/services/model"
DECLARED = Declared(PATH, {"version": "2"}, {"template": {"spec": {"containers": [{"name": "model", "image": "v1"}]}}})


class InMemoryObjects:
    """Objects as Kubernetes keeps them: a replacement of an older version is refused, a changed spec counts."""

    def __init__(self, *documents: tuple[str, Document], writers: int = 0):
        self.documents = dict(documents)
        self._writers = writers

    def read(self, path: str) -> Document:
        if path not in self.documents:
            raise NotFound(path)
        read = copy.deepcopy(self.documents[path])
        if self._writers:  # another one writes after each read
            self._writers -= 1
            self.documents[path]["metadata"]["resourceVersion"] += 1
        return read

    def replace(self, path: str, document: Document) -> Document:
        kept = self.documents[path]
        if document["metadata"]["resourceVersion"] != kept["metadata"]["resourceVersion"]:
            raise FailedPrecondition(path)
        after = copy.deepcopy(document)
        after["metadata"]["resourceVersion"] += 1
        after["metadata"]["generation"] += after["spec"] != kept["spec"]
        self.documents[path] = after
        return copy.deepcopy(after)


def live(spec: Any) -> Document:
    """An object of a cluster with this spec."""
    metadata = {"name": "model", "resourceVersion": 7, "generation": 3, "labels": {"version": "1", "theirs": "kept"}}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"ready": True}}


def test_what_a_failed_release_left_in_a_spec_goes() -> None:
    left = {"template": {"spec": {"containers": [{"name": "model", "image": "v2", "env": ["V2"]}], "timeout": 1}}}
    objects = InMemoryObjects((PATH, live(left)))
    assert enforce(objects, DECLARED) is True
    after = objects.documents[PATH]
    assert after["spec"] == DECLARED.spec
    assert after["metadata"]["labels"] == {"version": "2", "theirs": "kept"}
    assert after["status"] == {"ready": True}


def test_a_spec_that_is_as_declared_stays_as_it_is() -> None:
    objects = InMemoryObjects((PATH, live(DECLARED.spec)))
    assert enforce(objects, DECLARED) is False
    assert objects.documents[PATH]["metadata"]["generation"] == 3


def test_somebody_who_writes_in_between_is_not_overwritten_unread() -> None:
    objects = InMemoryObjects((PATH, live({})), writers=3)
    assert enforce(objects, DECLARED) is True
    assert objects.documents[PATH]["spec"] == DECLARED.spec


def test_an_object_that_never_holds_still_is_an_error() -> None:
    with pytest.raises(FailedPrecondition):
        enforce(InMemoryObjects((PATH, live({})), writers=1000), DECLARED)


def test_an_object_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFound):
        enforce(InMemoryObjects(), DECLARED)
