"""Settings of the workbench: the environment variables that begin with WORKBENCH_."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from services.edge.owner_token import KEY_PATTERN
from services.edge.settings import HostAndPort
from services.edge.settings import Settings as BaseSettings
from services.workbench.workbench import WorkbenchLimits

PREFIX = "WORKBENCH_"

Count = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that can be set.

    Attributes:
        grpc_address: host:port; port 0 takes any free one.
        store: where sessions and files are kept: a folder, or s3://BUCKET/PREFIX, whose endpoint and keys come from the
            AWS_* environment.
        workers: computations at a time.
        threads: of one computation; 0 shares the CPUs among the workers.
        max_calls: under way at a time; one more is refused.
        max_message_bytes: of one request; pictures are the large ones.
        max_pictures_bytes: of all pictures of one calibration or report.
        open_sessions, session_bytes, model_bytes, upload_bytes: see `WorkbenchLimits`.
        token_key: where it is set, callers are believed by tokens signed with it, and by nothing else: see
            `edge.owner_token`.
        drain_s: what running calls get to end on SIGTERM.
    """

    store: str
    grpc_address: HostAndPort = "127.0.0.1:0"
    workers: Count = 2
    threads: Annotated[int, Field(ge=0)] = 0
    max_calls: Count = 64
    max_message_bytes: Count = 32 << 20
    max_pictures_bytes: Count = 256 << 20
    open_sessions: Count = WorkbenchLimits.open_sessions
    session_bytes: Count = WorkbenchLimits.session_bytes
    model_bytes: Count = WorkbenchLimits.model_bytes
    upload_bytes: Count = WorkbenchLimits.upload_bytes
    token_key: Annotated[str, Field(pattern=KEY_PATTERN)] = ""
    drain_s: Annotated[float, Field(ge=0)] = 30.0

    @property
    def limits(self) -> WorkbenchLimits:
        """Those of the workbench itself."""
        return WorkbenchLimits(self.open_sessions, self.session_bytes, self.model_bytes, self.upload_bytes)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Raises InvalidDeclaration with a line for each fault."""
    return Settings.from_environment(PREFIX, environment)
