"""Server errors, and answers outside the console's OpenAPI, that Schemathesis finds."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.bench.own_process import Tell
from services.edge.errors import Unsupported

ENDLESS = "endless"
"""The tag of operations whose answers do not end."""
_LONGEST_S = 4.0
"""That one operation is asked by one caller in one way: some answers take a second, and then fewer are asked for."""


@dataclass
class Asked:
    """How much was asked."""

    operations: int = 0
    cases: int = 0


class SchemaCaller(NamedTuple):
    """Who asks: his cookies and headers; both empty of nobody."""

    cookies: Mapping[str, str]
    headers: Mapping[str, str]


def schema_faults(
    document: Mapping[str, Any],
    address: str,
    callers: Sequence[SchemaCaller],
    places: Mapping[str, str],
    examples: int,
    asked: Asked,
    tell: Tell,
) -> Iterator[str]:
    """Ask every operation in many ways, and say what was answered that must not be.

    Args:
        document: the OpenAPI document.
        callers: each asks everything.
        places: by the name of a path's parameter, the id of something that the first caller has. What removes things is
            asked with ids of nothing alone.
        examples: of each operation and caller, half of them with these ids; fewer where answers take long.
        asked: is counted up.
        tell: is told of each operation.
    Raises:
        Unsupported: Schemathesis is not installed.
    """
    try:
        import schemathesis
    except ImportError as error:
        raise Unsupported("Schemathesis is not installed: it comes with the packages for development") from error
    results: Iterable[Any] = schemathesis.openapi.from_dict(dict(document)).get_all_operations()
    for result in results:
        operation = result.ok()
        if ENDLESS in (operation.tags or ()):
            continue
        asked.operations += 1
        tell(f"schema: {operation.label}")
        for caller in callers:
            fixed = {name: value for name, value in places.items() if f"{{{name}}}" in operation.path}
            known = [None] if operation.method == "delete" or not fixed else [None, fixed]
            for parameters in known:
                yield from _faults(operation, address, caller, parameters, max(1, examples // len(known)), asked)


def _faults(
    operation: Any,
    address: str,
    caller: SchemaCaller,
    parameters: Mapping[str, str] | None,
    examples: int,
    asked: Asked,
) -> Iterator[str]:
    import hypothesis
    from schemathesis import checks
    from schemathesis.core.failures import FailureGroup
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks as of_openapi

    wanted = [
        checks.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_headers_conformance,
        of_openapi.response_schema_conformance,
    ]
    found: dict[str, None] = {}

    def ask(case: Any) -> None:
        if time.monotonic() > until_s:
            return
        asked.cases += 1
        answer = case.call(address, cookies=dict(caller.cookies), headers=dict(caller.headers), timeout=60)
        try:
            case.validate_response(answer, checks=wanted)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                found[f"{operation.label}: {answer.status_code} {failure.title}: {failure.message}"] = None

    given: Any = hypothesis.given
    asking: Any = hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    # A path takes any text, of which none is wrong: to look for one takes seconds, and finds nothing.
    can_be_wrong = len(operation.query) + len(operation.body) > 0
    for mode in GenerationMode if can_be_wrong else [GenerationMode.POSITIVE]:
        until_s = time.monotonic() + _LONGEST_S
        strategy = operation.as_strategy(mode, path_parameters=dict(parameters) if parameters else None)
        # Where there is nothing to be asked, nothing can be asked wrongly.
        with suppress(hypothesis.errors.Unsatisfiable):
            asking(given(strategy)(ask))()
    yield from found
