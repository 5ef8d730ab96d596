import subprocess
import sys
from pathlib import Path

import pytest

from services.edge.errors import ArtifactNotFound, InvalidDeclaration
from services.zoo.manifest import Batching, InputSpec, Manifest

MANIFEST = Manifest(
    "m", "abc", "onnxruntime", "image", (-1, 3, 8, 8), "scores", (-1, 2), ("a", "b"),
    InputSpec((8, 8), 8, (0, 0, 0), (1, 1, 1), "bilinear"), {"width_mult": 0.5},
    batching=Batching(8, 2.0),
)  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert Manifest.read(tmp_path) == MANIFEST


def test_a_folder_without_a_manifest_and_a_broken_one_are_two_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match=r"manifest\.json is missing"):
        Manifest.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "m"}')
    with pytest.raises(InvalidDeclaration, match="not the manifest"):
        Manifest.read(tmp_path)


def test_reading_a_manifest_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import services.zoo.manifest, sys; sys.exit(bool({'torch', 'numpy', 'pydantic', 'grpc'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
