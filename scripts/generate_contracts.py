"""Generate services/contracts from proto/: messages, stubs and their types, importable under services.contracts."""

import os
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
OUT = ROOT / "services" / "contracts"


def generate(out: Path) -> None:
    """Write the packages of every .proto below proto/ into `out`, replacing what was there.

    Raises:
        SystemExit: protoc refused a file; its message is on standard error.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    protos = [str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))]
    # protoc finds its plugins for types on the PATH; they are installed beside this interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    well_known = files("grpc_tools") / "_proto"
    options = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    if status := protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *options, *protos]):
        sys.exit(status)
    # protoc writes imports from the root of proto/; ours live one package deeper.
    roots = "|".join(sorted({proto.split("/")[0] for proto in protos}))
    for path in [*out.rglob("*.py"), *out.rglob("*.pyi")]:
        text = path.read_text()
        text = re.sub(rf"^(from|import) ({roots})\.", r"\1 services.contracts.\2.", text, flags=re.M)
        path.write_text(text)
    for folder in [out, *(path for path in out.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
