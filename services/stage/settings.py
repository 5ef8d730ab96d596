"""Settings of the stage service: the environment variables that begin with STAGE_, and PORT."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.edge.address import split_address
from services.edge.environment import read_settings, setting
from services.edge.errors import InvalidDeclaration
from services.stage.domain import DEFAULT_MICRO_BATCH

PREFIX = "STAGE_"


@dataclass(frozen=True)
class Settings:
    """`compiled` is the folder of a compiled stage, or the URL it is published at; `stores` the begins of the URLs that
    the stage may use, apart by spaces: none for one that only answers online.

    `threads` of one computation, and `concurrency` of computations at a time: 0 is the share of the CPU this process
    has, and one thread each where several compute at a time. `max_queue` counts records that are computed or wait.
    """

    compiled: str
    stores: str = setting("")
    grpc_address: str = setting("127.0.0.1:0")
    threads: int = setting(0, least=0)
    concurrency: int = setting(1, least=0)
    micro_batch: int = setting(DEFAULT_MICRO_BATCH, least=1)
    max_queue: int = setting(64, least=1)
    drain_s: float = setting(30.0, least=0)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Where the platform gives one PORT, gRPC listens there on every interface.

    Raises:
        InvalidDeclaration: has a line for each fault.
    """
    settings = read_settings(Settings, PREFIX, environment)
    if "PORT" in environment:
        settings = replace(settings, grpc_address=f"0.0.0.0:{environment['PORT']}")
    try:
        split_address(settings.grpc_address)
    except ValueError as error:
        raise InvalidDeclaration(f"{PREFIX}GRPC_ADDRESS: {error}") from error
    return settings
