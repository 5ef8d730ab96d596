"""Open a session of the workbench, step a layer and close it: `step_a_layer.py HOST`. Run by `helm test`.

TOKEN_KEY is the workbench's, where it has one.
"""

import io
import os
import sys
import time

import grpc
from PIL import Image

from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.owner_token import sign_owner

START_S = 120
key = os.environ.get("TOKEN_KEY", "")
owner = (("strata-owner", sign_owner(key, time.time, "helm-test")),) if key else ()

picture = io.BytesIO()
Image.new("RGB", (96, 96), "grey").save(picture, "png")
host = sys.argv[1]
# A Service that comes from zero answers once its pod is ready.
with grpc.insecure_channel(f"{host}:80", [("grpc.default_authority", host)]) as channel:
    workbench = pb_grpc.WorkbenchServiceStub(channel)
    model = pb.OpenSessionRequest.NamedModel(name="yolov3-tiny", size=96)
    request = pb.OpenSessionRequest(named=model, picture=picture.getvalue(), mode=pb.MODE_FLOAT)
    opened = workbench.OpenSession(request, metadata=owner, timeout=START_S, wait_for_ready=True)
    me, session = (("strata-owner", opened.owner),), opened.session.id
    visit = workbench.Step(pb.StepRequest(session=session, forward=1), metadata=me, timeout=START_S).visit
    workbench.CloseSession(pb.CloseSessionRequest(session=session), metadata=me, timeout=START_S)
print(f"stepped to {visit.layer} of {opened.session.model} on {opened.session.isa}")
