"""The workbench's gRPC service in the foreground of this machine."""

import asyncio
import os
from collections.abc import Callable

from services.edge.errors import Unavailable
from services.edge.logs import configure_logs
from services.local.running import state_folder
from services.workbench.process import serve
from services.workbench.settings import PREFIX, settings_from


def serve_until_stopped(grpc: str, store: str | None, report: Callable[[str], None]) -> None:
    """Serve on `grpc`, host:port, until SIGTERM or SIGINT.

    Args:
        store: by default WORKBENCH_STORE, or a folder of this user's state.
        report: called with a line once the service answers.
    Raises:
        InvalidDeclaration: a setting of the environment is at fault.
        Unavailable: the address is taken or not ours.
    """
    configure_logs("workbench")
    kept = store or os.environ.get(f"{PREFIX}STORE") or str(state_folder(os.environ) / "workbench")
    settings = settings_from({**os.environ, f"{PREFIX}STORE": kept, f"{PREFIX}GRPC_ADDRESS": grpc})
    host = grpc.rpartition(":")[0]

    def ready(port: int) -> None:
        report(f"The workbench answers at {host}:{port}; sessions and files are kept in {kept}. Ctrl-C ends it.")

    try:
        asyncio.run(serve(settings, ready))
    except OSError as error:
        raise Unavailable(f"{error}; choose another address with --grpc, port 0 takes any free one") from error
