"""Ask one model through the ingress with KServe's own Python client; print the scores it got, one JSON object.

A process of its own: KServe's copy of the protocol's messages and ours do not fit into one.
Arguments: protocol, the ingress' base address, the model's Host, the model's name, the batch's shape.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main(protocol: str, ingress: str, host: str, model: str, *shape: str) -> dict[str, object]:
    values = np.random.default_rng(0).standard_normal([int(length) for length in shape], np.float32)
    tensor = InferInput("image", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=True)
    request = InferRequest(model, [tensor])
    if protocol == "grpc":
        named = [("grpc.default_authority", host)]
        async with InferenceGRPCClient(urlsplit(ingress).netloc, channel_args=named, timeout=60) as client:
            ready = await client.is_model_ready(model)
            answer = await client.infer(request)
    else:
        async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=60)) as rest:
            headers = {"Host": host}
            ready = await rest.is_model_ready(ingress, model, headers=headers)
            answer = await rest.infer(ingress, request, model_name=model, headers=headers)
    return {"ready": ready, "scores": answer.outputs[0].as_numpy().tolist()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
