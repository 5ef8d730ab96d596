"""The front of `auto`: plans from int8 to float, what each loses of the answers and how long it takes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from quant.engine import Engine
from quant.layer_costs import Costs, measure_conversions, measure_costs
from quant.plan_choice import Clock, PlanChoice, choose_plan, count_transitions, keeps_answers, time_run
from quant.plan_path import plan_noise, plan_path, quietest_in_time, spaced
from quant.precision import Mode, Plan, Precision
from quant.reconstruction import refined_for
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import BudgetNotMet
from services.edge.progress import Progress, no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.judging import Judge, JudgedPicture
from services.workbench.margins import Outputs
from services.zoo.integers import Integers

MIXED_PLANS = 6
"""Measured of those between the fastest and float, before the budget is looked for between two of them."""
_BISECTIONS = 3
_MOST_COST_PICTURES, _COST_BUDGET_S = 4, 15.0
"""What each layer does to the outputs is measured on so many pictures, or fewer where that takes longer."""
_LEAST_COMPARED, _COMPARING_BUDGET_S = 8, 240.0
"""All plans together are compared on all pictures, or where that takes longer on fewer, but not below so many."""


@dataclass(frozen=True)
class FrontPoint:
    """One plan: what it loses, and how long a run takes.

    Attributes:
        points_lost: see `Front.measure`.
        layers: how many run in float, hybrid and int8.
        transitions: values that change between float and codes on the way.
        refined: layers that were refined for this plan.
        best: no other plan that was tried is faster and loses no more.
    """

    name: str
    ms: float
    points_lost: float
    layers: Mapping[Precision, int]
    transitions: int
    refined: int
    best: bool


@dataclass(frozen=True)
class Front:
    """All plans that were tried, the fastest first.

    Attributes:
        measure: what is lost, in words: top-1, mAP at 0.5, or agreement with float.
        max_drop: the budget, in points.
        chosen: the name of the point that AUTO takes.
    """

    measure: str
    max_drop: float
    chosen: str
    points: tuple[FrontPoint, ...]


@dataclass(frozen=True, eq=False)
class Unrefined:
    """What a plan is refined from: the calibration before any refinement, and pictures [N, C, H, W]."""

    calibration: Calibration
    pictures: Tensor


@dataclass(frozen=True, eq=False)
class MeasuredFront:
    """A front, how AUTO's plan was chosen on it, and by each point's name its plan, and what was refined for that."""

    front: Front
    choice: PlanChoice
    plans: Mapping[str, Plan]
    weights: Mapping[str, Mapping[str, IntegerWeights]]

    def integers_of(self, name: str, integers: Integers) -> Integers:
        """The integers with a point's plan as that of AUTO."""
        return integers._replace(auto_plan=self.plans[name], auto_weights=self.weights.get(name, {}))


def find_front(
    model: EngineModel,
    calibration: Calibration,
    pictures: Sequence[JudgedPicture],
    clock: Clock,
    max_drop: float = 1.0,
    progress: Progress = no_progress,
    unrefined: Unrefined | None = None,
) -> MeasuredFront:
    """Measure plans on this machine, and take the fastest that loses less than `max_drop` points; float otherwise.

    Args:
        pictures: at least one; the first is timed, all are compared.
        unrefined: where `calibration` was refined, which is for INT8: a mixed plan that loses more than INT8, or more
            than `max_drop`, is refined for itself.
    """
    search = _Search(model, calibration, pictures, clock, progress, unrefined)
    path, quiet = search.path()
    steps = spaced(path, search.costs, MIXED_PLANS)
    tried = [plan for plan in path if plan in steps or plan == quiet]
    search.try_plans({f"mixed-{number}": plan for number, plan in enumerate(tried, 1)}, max_drop)
    search.look_between(path, max_drop)
    progress("timing the plans")
    noises = {name: plan_noise(engine.plan, search.costs) for name, engine in search.engines.items()}
    choice = choose_plan(model.graph, search.engines, search.losses, pictures[0].x, clock, max_drop, noises)
    return _front(search, choice, max_drop)


def check_budget(front: Front) -> None:
    """Raises BudgetNotMet where only float is within the budget; says by how much the others are not."""
    if front.chosen != Mode.FLOAT:
        return
    faster = [each for each in front.points if each.name != Mode.FLOAT]
    if any(keeps_answers(each.points_lost, front.max_drop) for each in faster):
        return  # within the budget, and slower than float
    nearest = min(faster, key=lambda point: point.points_lost)
    raise BudgetNotMet(
        f"no plan with integers loses less than {front.max_drop:g} points ({front.measure}): {nearest.name} is "
        f"nearest and loses {nearest.points_lost:.2f}, {nearest.points_lost - front.max_drop:.2f} too many; "
        "allow it as many, or run in float"
    )


class _Search:
    """Engines by the names of their plans, simplest first, and what each loses."""

    def __init__(
        self,
        model: EngineModel,
        calibration: Calibration,
        pictures: Sequence[JudgedPicture],
        clock: Clock,
        progress: Progress,
        unrefined: Unrefined | None,
    ) -> None:
        self._model, self._calibration, self._unrefined = model, calibration, unrefined
        self._clock, self._progress = clock, progress
        self.weights: dict[str, Mapping[str, IntegerWeights]] = {}
        integers = Integers(calibration)
        self.engines = {mode.value: engine_of(model, mode, integers) for mode in (Mode.FLOAT, Mode.INT8, Mode.HYBRID)}
        self._run_s = time_run(self.engines["float"], pictures[0].x, clock, rounds=1)
        plans = len(self.engines) + MIXED_PLANS + _BISECTIONS
        self._pictures = pictures[: max(_LEAST_COMPARED, int(_COMPARING_BUDGET_S / (plans * self._run_s)))]
        in_float = self._run(self.engines["float"])
        self.judge = Judge(model, self._pictures, in_float)
        self.losses = {"float": 0.0} | {name: self._lost(self.engines[name]) for name in ("int8", "hybrid")}
        self.costs: Costs = {}

    def path(self) -> tuple[list[Plan], Plan]:
        """From the fastest plan to float, and of these the quietest that is hardly slower; measures layers."""
        in_float, in_int8, in_hybrid = self.engines.values()
        # One look at a picture runs, for each layer and both integer precisions, the half of the network behind it.
        looks = max(1, min(_MOST_COST_PICTURES, int(_COST_BUDGET_S / (self._run_s * len(in_float.layers)))))
        self._progress("what each layer costs")
        inputs = [each.x for each in self._pictures[:looks]]
        self.costs = measure_costs(in_float, (in_hybrid, in_int8), inputs, self._clock)
        conversions = measure_conversions(in_float, self._calibration, inputs[0], self._clock)
        graph = self._model.graph
        path = plan_path(graph, self.costs, conversions)
        return path, quietest_in_time(graph, path, self.costs, conversions)

    def try_plans(self, plans: Mapping[str, Plan], max_drop: float) -> None:
        """Measure what each loses; a plan that is known already is left out."""
        for done, (name, plan) in enumerate(plans.items()):
            self._progress("mixed plans", done, len(plans))
            if all(plan != engine.plan for engine in self.engines.values()):
                nearest = list(self.engines.values())[-1]
                self.engines[name] = Engine(self._model.graph, plan, self._calibration, reuse=nearest)
                self.losses[name] = self._lost(self.engines[name])
                if self._unrefined and self.losses[name] > min(self.losses["int8"], max_drop):
                    self._refine(name, self._unrefined)

    def _refine(self, name: str, unrefined: Unrefined) -> None:
        """Refine a plan for itself, and keep that where it loses less so."""
        engine = self.engines[name]
        found = refined_for(self._model.graph, unrefined.calibration, engine.plan, unrefined.pictures)
        own = Integers(self._calibration, auto_weights=found).calibration_in(Mode.AUTO)
        refined = Engine(self._model.graph, engine.plan, own, reuse=engine)
        lost = self._lost(refined)
        if lost < self.losses[name]:
            self.engines[name], self.losses[name], self.weights[name] = refined, lost, found

    def look_between(self, path: Sequence[Plan], max_drop: float) -> None:
        """Halve the way from the last plan over the budget to the first within it."""
        keeping = [self._keeps(plan, max_drop) for plan in path]
        known = [index for index, keeps in enumerate(keeping) if keeps is not None]
        within = next(index for index in known if keeping[index])
        beyond = max((index for index in known if index < within), default=within)
        for number in range(1, _BISECTIONS + 1):
            middle = (beyond + within) // 2
            if middle in (beyond, within):
                return
            self.try_plans({f"between-{number}": path[middle]}, max_drop)
            beyond, within = (beyond, middle) if self._keeps(path[middle], max_drop) else (middle, within)

    def _keeps(self, plan: Plan, max_drop: float) -> bool | None:
        name = next((name for name, engine in self.engines.items() if engine.plan == plan), None)
        return None if name is None else keeps_answers(self.losses[name], max_drop)

    def _lost(self, engine: Engine) -> float:
        return self.judge.points_lost(self._run(engine))

    def _run(self, engine: Engine) -> list[Outputs]:
        return [engine.run(each.x) for each in self._pictures]


def _front(search: _Search, choice: PlanChoice, max_drop: float) -> MeasuredFront:
    graph = search.engines["float"].graph
    found = sorted((choice.times_s[name], choice.losses[name], name) for name in search.engines)
    points, least = list[FrontPoint](), float("inf")
    for seconds, lost, name in found:
        plan = search.engines[name].plan
        counts = Counter(plan.values())
        layers = {precision: counts[precision] for precision in Precision}
        transitions, refined = count_transitions(graph, plan), len(search.weights.get(name, {}))
        points.append(FrontPoint(name, seconds * 1e3, lost, layers, transitions, refined, lost < least))
        least = min(least, lost)
    plans = {name: engine.plan for name, engine in search.engines.items()}
    front = Front(search.judge.measure, max_drop, choice.chosen, tuple(points))
    return MeasuredFront(front, choice, plans, search.weights)
