"""A bare first hop with a Ray Serve handle in it, as a front door has one: `python -m services.bench.echo_ray`."""

import asyncio
import json
import os
import sys
from typing import Any

from services.bench.echo import Answer, Hop, ask_members, serve_calls
from services.edge.ray_cluster import start_head
from services.ensemble.ray_graph import ray_environment

_APPLICATION = "hop"
_LARGEST_BYTES = 64 * 2**20


def main(hop: Hop) -> None:
    """Start a Ray head, deploy what asks the members, and pass each call to it, until the process ends."""
    os.environ.update(ray_environment(_LARGEST_BYTES))
    # Imported here: Ray reads its environment when it is imported.
    from ray import serve

    @serve.deployment(name=_APPLICATION, ray_actor_options={"num_cpus": 0})
    class AskedHop:
        def __init__(self) -> None:
            self._answer: Answer | None = None

        async def call(self, request: bytes) -> bytes:
            self._answer = self._answer or ask_members(hop)
            return await self._answer(request)

    deployment: Any = AskedHop  # what the decorator makes of the class
    start_head()
    serve.start(proxy_location="Disabled")
    serve.run(deployment.bind(), name=_APPLICATION, route_prefix=None)

    async def serve_by_handle() -> None:
        handle = await asyncio.to_thread(serve.get_app_handle, _APPLICATION)

        async def answer(request: bytes) -> bytes:
            reply: bytes = await handle.call.remote(request)
            return reply

        await serve_calls(answer, hop.address)

    asyncio.run(serve_by_handle())


if __name__ == "__main__":
    main(Hop(**json.loads(sys.argv[1])))
