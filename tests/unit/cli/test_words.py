"""What commands say to people is words: neither an empty table nor a programming language's marks."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.quant_edits import read_edit
from services.edge.errors import InvalidInput


def test_a_folder_without_receipts_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["receipts", str(tmp_path)]).stdout == f"No receipts are in {tmp_path}.\n"
    lately = CliRunner().invoke(app, ["receipts", str(tmp_path), "--hours", "2"]).stdout
    assert lately == f"No receipts are in {tmp_path} of the last 2 hours.\n"


def test_a_models_declaration_is_described_in_words() -> None:
    described = CliRunner().invoke(app, ["models", "describe", "efficientnet-b0"]).stdout
    assert "size 224 224, resize 256, mean 0.485 0.456 0.406" in described
    assert not set("{}[]()'") & set(described)


def test_the_usage_doubles_neither_dots_nor_brackets() -> None:
    for words in (["ensemble", "predict"], ["ensemble", "describe"], ["quant", "import"], ["serve", "start"], ["wake"]):
        usage = CliRunner().invoke(app, [*words, "--help"]).stdout.partition("\n\n")[0]
        assert "...}" not in usage
        assert "[[" not in usage


def test_an_address_that_is_none_is_said_of_the_option_that_was_typed() -> None:
    for words in (
        ["quant", "serve", "--grpc"],
        ["serve", "start", "any.yaml", "--http"],
        ["console", "start", "--http"],
        ["quant", "--at"],
    ):
        refused = CliRunner().invoke(app, [*words, "8080", "run", "any", "any.png"], env={"COLUMNS": "200"})
        assert refused.exit_code == 2
        assert words[-1] in refused.stderr
        assert "'8080' is not host:port" in refused.stderr


def test_an_edit_without_a_value_is_said_to_have_none() -> None:
    with pytest.raises(InvalidInput, match="edit weights 3: no VALUE follows the place"):
        read_edit(["weights", "3"], "conv")
