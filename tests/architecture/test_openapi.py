"""The page's types are those of the console's interface."""

from scripts.generate_openapi import OPENAPI, openapi_document


def test_the_committed_openapi_document_is_what_the_console_answers() -> None:
    assert OPENAPI.read_text() == openapi_document(), "run make generate, and commit web/openapi.json"
