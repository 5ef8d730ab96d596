"""Log lines without structlog."""

import io
import json
import logging

from services.edge.lean_logs import configure_lean_logs


def test_a_line_is_one_json_object_with_the_bound_fields_and_the_exception() -> None:
    stream = io.StringIO()
    before, level = logging.root.handlers[:], logging.root.level
    try:
        configure_lean_logs("model", stream)
        logging.getLogger("a").info("ready", extra={"fields": {"grpc_port": 1}})
        try:
            raise ValueError("of no use")
        except ValueError:
            logging.getLogger("a").exception("incident %s", 7)
    finally:
        logging.root.handlers[:] = before
        logging.root.setLevel(level)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["grpc_port"], first["service"], first["level"]) == ("ready", 1, "model", "info")
    assert second["event"] == "incident 7"
    assert "ValueError: of no use" in second["exception"]
