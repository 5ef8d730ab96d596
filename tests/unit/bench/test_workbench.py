"""What `strata bench workbench` decides, apart from the measuring."""

from services.bench import workbench
from services.bench.workbench_isolation import about
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb


def test_the_papers_table_stands_beside_ours() -> None:
    figures = {"table_1.cross.yolov2": 1.0, "table_1.cross.yolov3": 0.0}
    (line,) = [line for line in workbench.notes(figures).splitlines() if line.startswith("| Cross")]
    assert line == "| Cross inference | no, yes | no, no | yes, not measured |"


def test_every_bar_is_explained() -> None:
    text = workbench.notes({})
    for key in workbench.BARS:
        assert f"`{key.partition('.')[0]}`" in text, key


def test_every_rpc_about_a_session_or_a_file_is_asked_about_somebody_elses() -> None:
    methods = pb.DESCRIPTOR.services_by_name["WorkbenchService"].methods
    asked = {method.name: about(method.input_type, "it", "file") for method in methods}
    about_none = {name for name, message in asked.items() if message is None}
    assert about_none == {"ListModels", "UploadFile", "OpenSession", "Augment"}
    assert asked["RemoveFile"].file == "file"
    assert asked["CompareSessions"].options.other == "it"
    assert asked["ReadTensor"].kind == pb.ReadTensorRequest.KIND_VALUE
