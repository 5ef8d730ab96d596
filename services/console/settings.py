"""Settings of the console: the environment variables that begin with CONSOLE_."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from services.console.user_files import FileLimits
from services.edge.owner_token import KEY_PATTERN
from services.edge.settings import HostAndPort
from services.edge.settings import Settings as BaseSettings

PREFIX = "CONSOLE_"

Count = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that can be set.

    Attributes:
        http_address: host:port; port 0 takes any free one.
        database: `sqlite:////FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.
        store: where files are kept: a folder, or s3://BUCKET/PREFIX, whose endpoint and keys come from the AWS_*
            environment.
        workbench: host:port of the workbench.
        workbench_authority: the name by which an ingress there knows it, where it differs.
        token_key: signs what the workbench believes; its WORKBENCH_TOKEN_KEY is the same.
        file_bytes, quota_bytes: of one file, and of all that a user keeps.
        ensembles: URL of the ensembles' front door; empty where there is none.
        release: of the chart, whose pods are counted by the service account of this pod; empty counts none.
        jobs: URLs of the outputs of pipelines, with commas between.
        secure_cookies: send the cookie over HTTPS alone.
        drain_s: what running requests get to end on SIGTERM, and then sessions that are being opened to be closed.
    """

    database: str
    store: str
    token_key: Annotated[str, Field(min_length=32, pattern=KEY_PATTERN)]
    http_address: HostAndPort = "127.0.0.1:0"
    workbench: str = ""
    workbench_authority: str = ""
    file_bytes: Count = 1 << 30
    quota_bytes: Count = 4 << 30
    ensembles: str = ""
    release: str = ""
    jobs: str = ""
    secure_cookies: bool = False
    drain_s: Annotated[float, Field(ge=0)] = 10.0

    @property
    def outputs(self) -> list[str]:
        """Those of pipelines."""
        return [url.strip() for url in self.jobs.split(",") if url.strip()]

    @property
    def limits(self) -> FileLimits:
        """Those of files."""
        return FileLimits(self.file_bytes, self.quota_bytes)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Raises InvalidDeclaration with a line for each fault."""
    return Settings.from_environment(PREFIX, environment)
