"""Structured logs: one JSON object a line on standard error, the same field names everywhere.

Called in `__main__` only.
"""

import logging
import sys
from typing import TextIO

import structlog


def configure_logs(service: str, stream: TextIO = sys.stderr, level: int = logging.INFO) -> None:
    """Send structlog's events and the standard library's records alike through one JSON renderer.

    Fields: `time` (ISO 8601, UTC), `level`, `service`, `event`, and what the caller binds.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]

    def name_service(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        return {**event, "service": service}

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_service,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
