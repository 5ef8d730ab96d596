"""How the pipeline's figures were measured, and the tables and figures of papers/001 beside ours."""

from services.bench.pipeline_subject import Figures
from services.bench.pipeline_tables import tables

_HOW = """
Random weights; pictures are synthetic JPEGs of 500x375, as large as most of ImageNet's. Stages are processes of this
machine, one thread a computation, and the store is a folder, unless said otherwise.

- `exact`: the share of outputs of the chain that are the whole model's bit for bit, in torch, float32, one thread, a
  micro-batch of 3: eight models, each cut at up to eight legal places one at a time, at all places at once, and in the
  stages that a service loads. `exact.error`: the largest difference between the chain and the whole model over the
  largest output, both in the same one of the other runtimes. `rounding_error`: the same for the whole model against
  torch in float64, which is what float32 loses without any cut. EfficientNet-B0 with random weights enlarges every
  rounding.
- `overhead`: the CPU time of all stages over that of the whole model as one stage, both in ONNX Runtime, a record of
  500 pictures at a time, the store included; it is held to its bar for the paper's AlexNet.
- `efficiency.2`: what a second worker brings, over what a second independent process of the whole model brings.
  `efficiency.4` and further: the rate over that with two workers, on as many CPUs as the machine has.
- `gbs_ratio`: GiB·s with each stage at its floor, over GiB·s with the floor of the hungriest stage for all: records of
  500 pictures, each stage's second record under a real limit of a tenth more, in both. `gbs_ratio.time`: the same for
  time.
- `cold_chain`, on Knative: the time of a record of 16 pictures through the four stages from zero, over the larger of
  the slowest stage's alone from zero and of all stages' CPU-seconds from their start to their first answer, over the
  node's CPUs. `cold_chain.node`: the same with all CPU-seconds that the machine spends on each of these starts
  (`cold_node_s`): on sandboxes, sidecars, Knative and Kubernetes itself too.
- `sim_error`: the worst relative error of the simulated time over twelve runs that differ in workers, record size or
  both from those it was calibrated with.
- `ray_ratio`: the time of 20 records of 100 pictures with two workers on Ray Data over that in processes of this
  machine, in turns, both running already: median of five rounds.
- `peak_mb`: the memory of `strata pipeline run` itself for 100 000 pictures in records of 1000. `peak_mb.growth`: that
  over its memory for 10 000.

The paper's functions ran in TensorFlow on AWS Lambda in 2019, and Lambda gives a CPU share by the memory. Ours have one
CPU each whatever their memory. Its AlexNet's widths are not stated; ours are those of `alexnet-3c4f`. It prints its
figures as pictures: of theirs, the values are below that its text names. VGG-16 and ResNet-50, which it does not have,
are cut into four stages that cost alike, and are measured with fewer pictures, as is said below. The tables are of the
newest run; their figures are in the JSON file too.
"""


def notes(figures: Figures) -> str:
    """The page's text below its figures."""
    return "\n\n".join([_HOW.strip(), *tables(figures)]) + "\n"
