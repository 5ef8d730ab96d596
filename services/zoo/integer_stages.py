"""Compile the stages of a model of integer precision: parts of its engine, each held to that engine's codes.

A value of codes crosses as the float32 numbers that these stand for, and the next stage codes them again: to the same
codes, in float16 too. So a chain computes what the whole model does.
"""

from functools import partial
from pathlib import Path

import numpy as np

from services.zoo.compile import candidates, compile_for, declared_graph
from services.zoo.engine_cuts import engine_costs, engine_cuts, working_bytes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import onnx_program
from services.zoo.quantised import declared_engine
from services.zoo.references import reference_in_engine
from services.zoo.runtimes.onnxruntime import FILE_NAME as ONNX_FILE
from services.zoo.stage_programs import CompiledStage, StagesToCompile, keep_fastest


class IntegerStages(StagesToCompile):
    """Those of a model of another precision than float."""

    def into(self, made: Path) -> None:
        """Compile every stage into a folder of its own below `made`."""
        model = self.model_file
        engine = declared_engine(model, declared_graph(model, self.weights), self.progress)
        self.progress(f"{model.name}: looking for legal cuts")
        places = engine_cuts(engine)
        bounds = self.bounds(places, self.cuts(places, lambda: engine_costs(engine)))
        values = np.random.default_rng(0).standard_normal((2, 3, *model.input.size), np.float32)
        for number, (name, start, end) in enumerate(bounds):
            folder = self.begin(made, number, name, len(bounds))
            part = EnginePart(engine, start, end)
            program = onnx_program(part, f"strata {model.precision}")
            (folder / ONNX_FILE).write_bytes(program.SerializeToString())
            load = partial(compile_for, "onnxruntime", exported=None)
            reference = reference_in_engine(part, program, values, load)
            runtimes = candidates(self.runtime, None)
            runtime = keep_fastest(runtimes, None, reference, values, folder, f"stage {name} of model '{model.name}'")
            working = working_bytes(engine, part.layers)
            compiled = CompiledStage(
                runtime, part.layers[0].name, part.layers[-1].name, part.input_shape, part.output_shape, working
            )
            self.manifest(number, len(bounds), name, compiled).write(folder)
            values = reference.scores
