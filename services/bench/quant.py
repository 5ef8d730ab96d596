"""The area `quant`: which figures there are, what they are held to, and how they are shown."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

from services.bench.quant_subject import DARKNET, TORCH
from services.bench.report import Group, yes_or_no
from services.edge.progress import Progress

Figures: TypeAlias = dict[str, float]

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "bench-quant"
PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino", "nncf", "opencv-python-headless", "numpy")
MODELS = (*DARKNET, *TORCH)
_FASTEST = {"yolov3-tiny": 5, "yolov2": 5, "yolov3": 5, "resnet-50": 5, "mobilenet-v2": 1.5, "efficientnet-b0": 1.1}
_VNNI = {"yolov3-tiny": 2.5, "yolov2": 3, "yolov3": 3, "resnet-50": 3, "mobilenet-v2": 1.3, "efficientnet-b0": 1.0}
_SLOW_TO_QUANTISE = ("mobilenet-v2", "efficientnet-b0", "nasnet-a-mobile")
PARTS = ("correctness", "accuracy", "pretrained", "onnx", "served", "use", "speed")
MODES = ("float", "hybrid", "int8", "step", "cross")
RUNTIMES = ("onnxruntime", "openvino")
SERVED = ("resnet-50", "mobilenet-v2", "efficientnet-b0", "yolov3-tiny")
TRAINED = ("yolov3-tiny", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
EXPORTED = (*MODELS, *(f"{name}.trained" for name in TRAINED))
_LEAST_OF_TRAINED = (
    "pretrained.boxes",
    "pretrained.boxes.int8",
    "pretrained.top1_agreement",
    "pretrained.top1_agreement.auto",
)
_MOST_OF_TRAINED = ("pretrained.map_drop", "pretrained.map_drop.auto")
AUTOS = ("yolov3-tiny", "resnet-50", "mobilenet-v2", "efficientnet-b0", "efficientnet-lite0")
NOTES = """
One thread, batch 1, random weights, YOLO at 416x416; each model is timed in a process of its own, its subjects in
blocks of at least 0.3 s and three runs that take turns, and of a block the best run counts. `speedup` is int8 over the
faster of torch eager (channels last, batch norms folded) and our float; `vs_onnxruntime` is our int8 time over ONNX
Runtime's static int8 (QDQ, per channel, with weights of 7 bits where the processor has no VNNI, as its documentation
says to); `vs_openvino` over OpenVINO's with NNCF. Our time has the detection heads in it, the peers' has not.
Calibration is the same eight pictures for all.

`matrix` counts, of 14 models times five modes, those that are right: float against its oracle (Debian's darknet,
OpenCV for yolov4-tiny, torchvision's own module), hybrid and int8 against a 64-bit definition of every layer, stepping
against running bit for bit, and crossing: of every layer all four outputs, against the two runs and the layer itself.
Darknet's networks are compared at 160x160, where its program and the 64-bit definition take seconds: their layers are
the same at every size. `own_sqnr_db.median` is the median over the models of each model's median layer, `.min` the
worst layer of all, over 16 pictures that calibration has not seen, together; `.one_picture` of the first of them alone.
EfficientNet-B0 with random weights makes some pictures nine times louder than others, block after block: scales that
take these in are wide for the rest.

`run_share.MODE` is the time that `strata quant run` prints of yolov3-tiny over the median of fifty runs of its engine,
before and after, in another process; `run_error` is the largest distance of the four from 1.

`points_lost.MODE` is what `auto` is chosen by: the share of float's answers lost, each by its margin, in points.
`agreement.MODE` is in percent with float: the same best class, or boxes matched at IoU 0.5 with the same class, on the
16 pictures that `auto` was chosen by; `.unseen` on 16 others. The weights are random, so a thousand scores lie close
together and the best changes place with its neighbour at an error that a trained model does not notice: this is the
harshest test of `auto`, and not what int8 does to answers. For that see `map_drop`, of the example detector, and
`top1_drop`, the worst of the example classifiers, both in points, with trained weights on held-out pictures.

`pretrained` is of networks that others trained (docs/models.md): the official yolov3-tiny and EfficientNet-Lite0 to 2,
on Darknet's seven photographs and nine of scikit-image and scikit-learn, times five augmentations; each is answered by
integers calibrated on the other half. `.boxes` is the share of Darknet's own boxes (threshold 0.3, its seven
photographs) that ours has at IoU 0.9 with a score within 0.02; `.boxes.int8` at IoU 0.75 within 0.1; `.map_drop` takes
float's boxes for the truth, in points; `.top1_agreement` is the share with float's class, of the worst network; `.auto`
of the plan that `strata quant calibrate --auto --max-drop 1` takes; `.points_lost` is by margins, as above.
`auto.speedup_share` is the time of the faster of int8 and hybrid over auto's, where int8 loses less than a point;
`auto.over_float` float's over auto's; yolov3-tiny and EfficientNet-Lite0 are trained.

`onnx` is of the exported program in ONNX Runtime and OpenVINO: `.max_code_error` the largest difference of a code, each
layer given the runtime's own inputs; `.answers` the least share of eight pictures' classes or boxes that are the
engine's, and of the trained networks of 40 photographs that calibration has not seen. A code that lies half way between
two falls to either side, and moves what comes after it; where scores lie close together, as with random weights, the
best class may change with it. That is no fault of the program: `.moved` is the share that the engine itself answers
alike where each scale of its weights is moved to a neighbour among the float32 numbers. On AVX512-VNNI MobileNetV2,
EfficientNet-Lite0 and yolov3-tiny (trained) have all answers in both runtimes. Of EfficientNet-Lite1's 40 photographs
each runtime changes two, of Lite2's ONNX Runtime two and OpenVINO four, where the engine's two best classes lie within
0.014 of each other; the engine moved, in three drawings, two to four and one or two. A layer of Lite2's has weights
with scales that are powers of two between values of one scale, so that sums lie half way by the thousand: twenty times
the codes differ of what is usual. `.points_lost` is the most that is lost where an answer counts by its margin.

`served` is of models that are compiled in int8 from the same integers: `.vs_openvino` the service's forward pass over
OpenVINO's with NNCF, `.cold_start` the service's start, until it is ready, over the float service's; the worst model.
`vs_best` is the service's forward pass over the fastest of ONNX Runtime, OpenVINO with NNCF, LiteRT (XNNPACK) and ncnn,
all int8, weights per channel, from the same eight pictures. LiteRT's and ncnn's networks are written by the benchmark,
their outputs held to float's.
"""
_PAPER = {
    "normal inference, float and hybrid": (("float", "hybrid"), ("yes", "yes", "yes")),
    "stepping inference": (("step",), ("yes", "yes", "yes")),
    "cross inference": (("cross",), ("no", "no", "yes")),
    "all int8": (("int8",), ("no", "no", "yes")),
}
"""Table 1 of the paper: what works, by our names of the modes, on yolov2, yolov3 and yolov3-tiny."""
_PAPERS_MODELS = ("yolov2", "yolov3", "yolov3-tiny")


def bars(isa: str) -> dict[str, str]:
    """What the figures are held to on this instruction set."""
    least = _FASTEST if isa.startswith("AMX") else _VNNI
    peers = {name: "<= 1.3" if name in _SLOW_TO_QUANTISE else "<= 1.0" for name in MODELS}
    return {
        "matrix": ">= 70",
        "wrong_accumulators": "<= 0",
        "darknet_error": "<= 1e-3",
        **{f"speedup.{name}": f">= {limit}" for name, limit in least.items()},
        **{f"vs_onnxruntime.{name}": limit for name, limit in peers.items()},
        **{f"vs_openvino.{name}": "<= 1.5" for name in MODELS},
        "auto.regressions": "<= 0",
        **{f"auto.speedup_share.{name}": ">= 0.9" for name in AUTOS},
        **{f"auto.over_float.{name}": "> 1" for name in AUTOS},
        "own_sqnr_db.median": ">= 30",
        "own_sqnr_db.min": ">= 20",
        "map_drop": "<= 1.0",
        "top1_drop": "<= 0.5",
        "pretrained.boxes": ">= 1",
        "pretrained.boxes.int8": ">= 0.95",
        "pretrained.map_drop": "<= 0.5",
        "pretrained.top1_agreement": ">= 0.97",
        "pretrained.top1_agreement.auto": ">= 0.99",
        "onnx.max_code_error": "<= 1",
        "onnx.answers": ">= 1",
        "served.vs_openvino": "<= 1.1",
        "served.cold_start": "<= 1.05",
        **{f"vs_best.{name}": "<= 1.0" if name in ("resnet-50", "yolov3-tiny") else "<= 1.1" for name in SERVED},
        "step_ms": "<= 5",
        "jump_ms": "<= 50",
        "edit_ms": "<= 150",
        "cross_s": "<= 5",
        "run_error": "<= 0.1",
    }


PLOTS = tuple(
    Group(
        name,
        "ms",
        [f"ms.{key}.{name}" for key in ("torch", "float", "int8", "auto")],
        ["torch", "float", "int8", "auto"],
    )
    for name in ("yolov3-tiny", "resnet-50", "mobilenet-v2", "efficientnet-b0")
)


def measure(
    models: Sequence[str], parts: Sequence[str], quick: bool, pictures: Path | None, progress: Progress
) -> Iterator[Figures]:
    """Measure the parts that are named, each model in a process of its own; figures as they come.

    Args:
        quick: fewer rounds, and of `pretrained` fewer photographs, every other of them answered.
    Raises:
        CalledProcessError: a model's process failed; what it printed is on standard error.
    """
    rounds = ("--rounds", "3" if quick else "5")
    jobs: list[tuple[str, tuple[str, ...]]] = []
    if "correctness" in parts:
        jobs += [(name, ("quant_correctness", name)) for name in models]
    if "accuracy" in parts:
        jobs.append(("", ("quant_accuracy", *(("--pictures", str(pictures)) if pictures else ()))))
    if "pretrained" in parts:
        jobs += [(name, ("quant_pretrained", name, *(("--quick",) if quick else ()))) for name in TRAINED]
    if "onnx" in parts:
        jobs += [(name, ("quant_onnx", name, "--cache", str(CACHE))) for name in models]
        if set(models) == set(MODELS):
            trained = ("quant_onnx", "--trained", "--cache", str(CACHE))
            jobs += [(f"{name}.trained", (*trained, name)) for name in TRAINED]
    if "served" in parts:
        served = [name for name in models if name in SERVED]
        jobs += [(name, ("quant_served", name, "--cache", str(CACHE), *rounds)) for name in served]
    if "use" in parts:
        jobs += [("", (module, "--cache", str(CACHE))) for module in ("quant_use", "quant_run")]
    if "speed" in parts:
        jobs += [(name, ("quant_speed", name, "--cache", str(CACHE), *rounds)) for name in models]
    for number, (model, (module, *arguments)) in enumerate(jobs, start=1):
        progress(f"{number} of {len(jobs)}: {module.removeprefix('quant_')} {model}")
        found = _child(module, *arguments)
        yield {_keyed(key, model) if model else key: value for key, value in found.items()}


def notes(figures: Figures) -> str:
    """How it was measured, and the paper's table beside ours."""

    def right(modes: Sequence[str], model: str) -> str:
        found = [figures.get(f"matrix.{mode}.{model}") for mode in modes]
        return yes_or_no(None if None in found else float(all(found)))

    lines = [f"| the paper's table 1: paper, ours | {' | '.join(_PAPERS_MODELS)} | ours, of all models |"]
    lines.append("| --- " * (len(_PAPERS_MODELS) + 2) + "|")
    for row, (modes, papers) in _PAPER.items():
        ours = {model: right(modes, model) for model in MODELS}
        cells = [f"{paper}, {ours[model]}" for paper, model in zip(papers, _PAPERS_MODELS, strict=True)]
        yes, no = (list(ours.values()).count(each) for each in ("yes", "no"))
        lines.append(f"| {row} | {' | '.join(cells)} | {f'{yes} of {yes + no}' if yes + no else 'not measured'} |")
    return "\n".join([NOTES.rstrip(), "", *lines, ""])


def summarise(figures: Figures) -> Figures:
    """The figures over all models that the models' own give, for as many as were measured."""
    names = tuple(f".{name}" for name in (*EXPORTED, *TRAINED))
    own = {key: value for key, value in figures.items() if key.endswith(names)}

    def of(prefix: str, models: Sequence[str] = MODELS) -> list[float]:
        return [value for name in models if (value := own.get(f"{prefix}.{name}")) is not None]

    found: Figures = {}
    if wrong := of("wrong_accumulators"):
        found["matrix"] = sum(sum(of(f"matrix.{mode}")) for mode in MODES)
        found["wrong_accumulators"] = sum(wrong)
        found["own_sqnr_db.median"] = median(of("own_sqnr_db.median"))
        found["own_sqnr_db.min"] = min(of("own_sqnr_db.min"))
    if errors := of("float_error", DARKNET):
        found["darknet_error"] = max(errors)
    for key in _LEAST_OF_TRAINED:
        if each := of(key, TRAINED):
            found[key] = min(each)
    for key in _MOST_OF_TRAINED:
        if each := of(key, TRAINED):
            found[key] = max(each)
    if codes := [each for runtime in RUNTIMES for each in of(f"onnx.code_error.{runtime}", EXPORTED)]:
        found["onnx.max_code_error"] = max(codes)
        found["onnx.answers"] = min(each for runtime in RUNTIMES for each in of(f"onnx.answers.{runtime}", EXPORTED))
    if lost := [each for runtime in RUNTIMES for each in of(f"onnx.points_lost.{runtime}", EXPORTED)]:
        found["onnx.points_lost"] = max(lost)
    for key in ("served.vs_openvino", "served.cold_start"):
        if each := of(key, SERVED):
            found[key] = max(each)
    if regressions := of("auto.regression"):
        found["auto.regressions"] = sum(regressions)
    return found


def _keyed(key: str, model: str) -> str:
    """Put the model's name before a spread's end: `ms.int8.low` of m becomes `ms.int8.m.low`."""
    for end in (".low", ".high"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}.{model}{end}"
    return f"{key}.{model}"


def _child(module: str, *arguments: str) -> Figures:
    command = [sys.executable, "-m", f"services.bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    # Oracles written in C print on the same output; ours is the last line.
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
