"""KServe's own Python client against one model: prints its scores, one JSON object. Run by test_model_process.

A process of its own: KServe's copy of the protocol's messages and ours do not fit into one.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def request(model: str, values: np.ndarray, binary: bool) -> InferRequest:
    tensor = InferInput("image", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model, [tensor], request_id="7")


async def main(model: str, grpc_port: str, http_port: str) -> dict[str, object]:
    values = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    url = f"http://127.0.0.1:{http_port}"
    found: dict[str, object] = {}
    async with InferenceGRPCClient(f"127.0.0.1:{grpc_port}") as client:
        states = [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready(model)]
        found["grpc ready"] = states
        for binary in (True, False):
            answer = await client.infer(request(model, values, binary))
            found[f"grpc binary={binary}"] = answer.outputs[0].as_numpy().tolist()
            found["cold" if binary else "warm"] = answer.parameters["cold"].bool_param
    config = RESTConfig(protocol="v2")
    async with InferenceRESTClient(config) as rest:
        states = [
            await rest.is_server_live(url),
            await rest.is_server_ready(url),
            await rest.is_model_ready(url, model),
        ]
        found["rest ready"] = states
        for binary in (True, False):
            answer = await rest.infer(url, request(model, values, binary), model_name=model)
            found[f"rest binary={binary}"] = answer.outputs[0].as_numpy().tolist()
            found["id"] = answer.id
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
