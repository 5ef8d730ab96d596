import { useCallback, useMemo, useState } from "react";
import { useParams, useSearchParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { GraphView } from "../../components/graph/graph-view";
import { BY_KIND, BY_PRECISION, byError, byTime, type Shades } from "../../components/graph/shades";
import { WorkStatus } from "../../components/work-status";
import { useTitle } from "../../lib/use-title";
import { useCross } from "../cross/use-cross";
import { useRun } from "../runs/api";
import { RandomWeights } from "../runs/random-weights";
import { RunHead } from "../runs/run-head";
import { useGraph, useSession } from "../step/api";
import { figuresOf, type LayerFigures } from "./layer-figures";
import { LayerCard } from "./layer-card";
import { ModelTable } from "./model-table";
import "./model.css";
import { useReport } from "./use-report";

const COLOURINGS = ["type", "error", "time", "precision"] as const;
type Colouring = (typeof COLOURINGS)[number];

/** A run's model: its graph, coloured, or as a table; and each layer's card. */
export default function ModelPage() {
  const { run = "" } = useParams();
  const [query, setQuery] = useSearchParams();
  const found = useRun(run);
  const session = useSession(run);
  const graph = useGraph(run);
  const { cross, ...crossing } = useCross(run);
  const { report, ...reporting } = useReport(run);
  useTitle(found.data ? `Model ${found.data.model}` : "Model");

  const set = useCallback(
    (name: string, value: string) =>
      setQuery((before) => new URLSearchParams([...before].filter(([key]) => key !== name).concat([[name, value]])), {
        replace: true,
      }),
    [setQuery],
  );
  const open = useCallback((layer: string) => set("layer", layer), [set]);
  const here = query.get("layer") ?? "";
  const view = query.get("view") === "table" ? "table" : "graph";
  const by = COLOURINGS.find((each) => each === query.get("by")) ?? "type";
  const figures = useMemo(() => figuresOf(cross?.found.rows ?? [], report?.found ?? null), [cross, report]);
  const [timed, setTimed] = useState<"float32" | "int8">("int8");
  const shades = useMemo(() => shadesBy(by, figures, timed), [by, figures, timed]);

  const wrong = found.error ?? session.error ?? graph.error;
  if (wrong) return <ErrorNote error={wrong} />;
  if (!found.data || !session.data || !graph.data) return <p className="soft">Opening the model …</p>;
  const isMeasuring = report && !report.isOver;
  const isCrossing = cross && !cross.isOver;
  return (
    <div className="stack">
      <RunHead run={found.data}>
        <span className="soft small">
          {graph.data.layers.length} layers, {session.data.weights}
        </span>
      </RunHead>
      <div className="row">
        <Choice label="Show the layers as" values={["graph", "table"]} value={view} onChoose={(it) => set("view", it)} />
        {view === "graph" && (
          <Choice label="Colour by" values={COLOURINGS} value={by} onChoose={(it) => set("by", it)} />
        )}
        {view === "graph" && by === "time" && (
          <Choice label="Time in" values={["float32", "int8"] as const} value={timed} onChoose={setTimed} />
        )}
        <span className="grow" />
        <button type="button" disabled={isCrossing} onClick={() => crossing.start("int8")}>
          Measure errors
        </button>
        <button type="button" disabled={isMeasuring} onClick={() => reporting.start()}>
          Measure times
        </button>
      </div>
      <RandomWeights trained={session.data.trained} />
      <WorkStatus work={cross} label="Crossing" onStop={crossing.stop} />
      <WorkStatus work={report} label="Measuring" onStop={reporting.stop} />
      {view === "graph" && (
        <Legend shades={shades} isKnown={by === "type" || by === "precision" || hasFigures(by, figures)} by={by} />
      )}
      <div className="columns model">
        <section className={`card layers ${view}`} aria-label="Layers">
          {view === "graph" ? (
            <GraphView graph={graph.data} here={here} onOpen={open} overview {...shades} />
          ) : (
            <ModelTable graph={graph.data} figures={figures} here={here} onOpen={open} />
          )}
        </section>
        <LayerCard run={run} layer={here} figures={figures.get(here)} />
      </div>
    </div>
  );
}

function shadesBy(by: Colouring, figures: Map<string, LayerFigures>, timed: "float32" | "int8"): Shades {
  const values = (of: (row: LayerFigures) => number | undefined) =>
    new Map([...figures].flatMap(([layer, row]) => (of(row) === undefined ? [] : [[layer, of(row)!] as const])));
  if (by === "error") return byError(values((row) => row.total_db));
  if (by === "time") return byTime(values((row) => (timed === "int8" ? row.int8_ms : row.float32_ms)));
  return by === "precision" ? BY_PRECISION : BY_KIND;
}

function hasFigures(by: Colouring, figures: Map<string, LayerFigures>): boolean {
  return [...figures.values()].some((row) => (by === "error" ? row.total_db : row.int8_ms) !== undefined);
}

function Legend({ shades, isKnown, by }: { shades: Shades; isKnown: boolean; by: Colouring }) {
  if (!isKnown) {
    const button = by === "error" ? "Measure errors" : "Measure times";
    return <p className="soft">Not measured yet: choose “{button}”.</p>;
  }
  return (
    <ul className="legend" aria-label="Colours">
      {shades.legend.map(([shade, words]) => (
        <li key={words}>
          <span className={shade} aria-hidden="true" /> {words}
        </li>
      ))}
    </ul>
  );
}

function Choice<Value extends string>({
  label,
  values,
  value,
  onChoose,
}: {
  label: string;
  values: readonly Value[];
  value: Value;
  onChoose: (value: Value) => void;
}) {
  return (
    <div className="row choice-row" role="group" aria-label={label}>
      <span className="soft small" aria-hidden="true">
        {label}
      </span>
      {values.map((each) => (
        <button key={each} type="button" aria-pressed={each === value} onClick={() => onChoose(each)}>
          {each}
        </button>
      ))}
    </div>
  );
}
