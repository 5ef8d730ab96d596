"""Write web/openapi.json: the console's HTTP interface, from which the page's types are made."""

import json
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from services.console.http_api import create_http_app
from services.console.http_callers import Console
from services.console.user_files import FileLimits, UserFiles
from services.edge.http_app import Health

OPENAPI = Path(__file__).resolve().parents[1] / "web" / "openapi.json"


def openapi_document() -> str:
    """The document, as it is committed; of any version."""
    nothing = cast(Any, None)
    files = UserFiles(nothing, nothing, FileLimits(0, 0), nothing, nothing)
    app = create_http_app(
        Console(nothing, files, nothing, nothing, nothing, nothing, nothing, False),
        Health(lambda: True),
        CollectorRegistry(),
    )
    document = app.openapi()
    document["info"]["version"] = "any"
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    OPENAPI.write_text(openapi_document())
