"""A plan as a file: how a model is cut and run, what that is expected to come to, and what it was planned from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from services.edge.errors import InvalidDeclaration, InvalidInput, OtherChain
from services.edge.whole_files import write_whole
from services.pipeline.planning import Plan
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Expectation

_FORMAT = 1


@dataclass(frozen=True)
class PlanFile:
    """A plan and how its model is cut: after `layers`, or into `stages` stages where none are named.

    Attributes:
        cpus: it was planned for so many.
    """

    plan: Plan
    layers: tuple[str, ...]
    names: tuple[str, ...]
    stages: int
    runtime: str
    cpus: int

    def check(self, path: Path, model: str, chain: str = "") -> None:
        """Refuse another model, or the same with other weights or cuts; `chain` "" is any. Raises OtherChain."""
        profile = self.plan.profile
        if model != profile.model:
            raise OtherChain(f"{path}: a plan of model '{profile.model}', not '{model}'; plan it, or name that model")
        if chain not in ("", profile.chain):
            raise OtherChain(
                f"{path}: a plan of chain {profile.chain} of model '{model}', and this is chain {chain}: other weights "
                "or versions; plan it anew"
            )

    def write(self, path: Path) -> None:
        """Write it as JSON, or as YAML where the name says so. Raises OSError."""
        content = {
            "format": _FORMAT,
            "model": self.plan.profile.model,
            "layers": list(self.layers),
            "names": list(self.names),
            "stages": self.stages,
            "runtime": self.runtime,
            "cpus": self.cpus,
            **asdict(self.plan.batch),
            "memory_bytes": {stage.name: stage.memory_bytes for stage in self.plan.profile.stages},
            "expected": asdict(self.plan.expected),
            "profile": self.plan.profile.to_json(),
        }
        # Through JSON, in which tuples are lists.
        text = json.dumps(content, indent=1) + "\n"
        if path.suffix in (".yaml", ".yml"):
            text = yaml.safe_dump(json.loads(text), sort_keys=False)
        write_whole({path: text.encode()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan. Raises InvalidDeclaration: not a plan that this build reads; names the file."""
        try:
            content: dict[str, Any] = yaml.safe_load(path.read_text())
            if content["format"] != _FORMAT:
                raise InvalidDeclaration(f"{path}: a plan of format {content['format']}; this build reads {_FORMAT}")
            plan = Plan(
                ChainProfile.from_json(content["profile"]),
                Batch(content["pictures"], content["per_record"], content["workers"]),
                Expectation(**content["expected"]),
            )
            layers, names = tuple(content["layers"]), tuple(content["names"])
            return cls(plan, layers, names, content["stages"], content["runtime"], content["cpus"])
        except OSError as error:
            raise InvalidDeclaration(f"{path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, InvalidInput) as error:
            if isinstance(error, InvalidDeclaration):
                raise
            raise InvalidDeclaration(f"{path}: not what `strata pipeline plan -o` writes: {error}") from error
