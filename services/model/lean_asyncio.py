"""asyncio as a model service needs it."""

import sys


def import_asyncio_without_tls() -> None:
    """Import asyncio before anything else does, as where Python has no `ssl`: that costs a start 10 ms of CPU.

    No connection of asyncio's own speaks TLS in this process: gRPC and the object store bring their own. Whoever
    imports `ssl` later gets it.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401  for what follows
    finally:
        del sys.modules["ssl"]
