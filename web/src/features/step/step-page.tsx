import { useState } from "react";
import { useParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { GraphView } from "../../components/graph/graph-view";
import { BY_KIND } from "../../components/graph/shades";
import { formatDecibel, formatPercent } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { useRun } from "../runs/api";
import { Findings, PictureWithBoxes } from "../runs/findings";
import { RandomWeights } from "../runs/random-weights";
import { RunHead } from "../runs/run-head";
import { ShareLayer } from "../share/share-layer";
import {
  type Edit,
  type Layer,
  useAhead,
  useEdit,
  useGraph,
  useRerun,
  useSession,
  useStanding,
  useStep,
  useUndo,
} from "./api";
import { KeepVariant } from "./keep-variant";
import { LayerPanel } from "./layer-panel";
import { LayerTable } from "./layer-table";
import "./step.css";
import { useKeys } from "./use-keys";

/** One run's model, stopped at any layer, looked into and changed. */
export default function StepPage() {
  const { run = "" } = useParams();
  const found = useRun(run);
  const session = useSession(run);
  const graph = useGraph(run);
  const standing = useStanding(run);
  const step = useStep(run);
  const edit = useEdit(run);
  const undo = useUndo(run);
  const rerun = useRerun(run);
  const [view, setView] = useState<"graph" | "table">("graph");
  useTitle(found.data ? `Step ${found.data.model}` : "Step");

  const here = session.data?.layer ?? "";
  const layers = graph.data?.layers ?? [];
  const indexOf = (name: string) => layers.findIndex((layer) => layer.name === name); // before the first: -1
  const at = indexOf(here);
  useAhead(run, layers[at + 1]?.name);
  const { mutate: open, isPending: isStepping } = step;
  const go = (layer: Layer | undefined) => layer && open(layer.name);
  const next = () => go(layers[indexOf(standing()) + 1]);
  const back = () => go(layers[indexOf(standing()) - 1]);
  const end = () => go(layers.at(-1));
  // What was said of the model before is not true of it any more.
  const change = (body: Edit) => {
    rerun.reset();
    edit.mutate(body);
  };
  const takeBack = () => {
    if (!session.data?.edits) return;
    rerun.reset();
    edit.reset();
    undo.mutate();
  };
  const runAgain = () => rerun.mutate();
  useKeys({ n: next, ArrowRight: next, p: back, ArrowLeft: back, e: end, u: takeBack, r: runAgain });

  const wrong = found.error ?? session.error ?? graph.error;
  if (wrong) return <ErrorNote error={wrong} />;
  if (!found.data || !session.data || !graph.data) return <p className="soft">Opening the session …</p>;
  const { picture_name } = found.data;

  return (
    <div className="step">
      <RunHead run={found.data}>
        <span className="soft small">
          {session.data.weights}, {session.data.isa}, {session.data.threads} thread(s)
        </span>
      </RunHead>
      <div className="toolbar" role="toolbar" aria-label="Stepping">
        <button type="button" onClick={back} disabled={at < 1} aria-keyshortcuts="p ArrowLeft">
          ← Back <kbd>p</kbd>
        </button>
        <button type="button" className="primary" onClick={next} disabled={!layers[at + 1]} aria-keyshortcuts="n ArrowRight">
          Next <kbd>n</kbd> →
        </button>
        <button type="button" onClick={end} aria-keyshortcuts="e">
          To the end <kbd>e</kbd>
        </button>
        <button type="button" onClick={takeBack} disabled={!session.data.edits} aria-keyshortcuts="u">
          Undo <kbd>u</kbd>
          {session.data.edits > 0 && ` (${session.data.edits})`}
        </button>
        <button type="button" onClick={runAgain} disabled={rerun.isPending} aria-keyshortcuts="r">
          {rerun.isPending ? "Running …" : "Run again"} <kbd>r</kbd>
        </button>
        <KeepVariant run={run} />
        <ShareLayer run={run} layer={here} />
      </div>
      <ErrorNote error={step.error ?? edit.error ?? undo.error ?? rerun.error} />
      {session.data.auto_warning && <p className="note">{session.data.auto_warning}</p>}
      <RandomWeights trained={session.data.trained} />
      <div className="columns">
        <section className="card layers" aria-label="Layers">
          <div className="row" role="group" aria-label="Show the layers as">
            <button type="button" aria-pressed={view === "graph"} onClick={() => setView("graph")}>
              Graph
            </button>
            <button type="button" aria-pressed={view === "table"} onClick={() => setView("table")}>
              Table
            </button>
          </div>
          <div className="layers-body" tabIndex={view === "table" ? 0 : undefined}>
            {view === "graph" ? (
              <GraphView graph={graph.data} here={here} onOpen={open} {...BY_KIND} />
            ) : (
              <LayerTable graph={graph.data} here={here} onOpen={open} />
            )}
          </div>
        </section>
        <div className="stack" aria-live="polite" aria-busy={isStepping}>
          {edit.data && (
            <p className="note" role="status">
              The edit changed {formatPercent(edit.data.changed_fraction)} of {edit.data.layer}; it now agrees with what
              it was to {formatDecibel(edit.data.sqnr_db)}.
            </p>
          )}
          {here ? (
            <LayerPanel key={here} run={run} layer={here} edits={session.data.edits} isBusy={edit.isPending} onEdit={change} />
          ) : (
            <section className="card stack">
              <h2>Before the first layer</h2>
              <PictureWithBoxes run={run} name={picture_name} result={found.data.result ?? null} />
              <p className="soft">Go to the next layer, or choose one.</p>
            </section>
          )}
          {rerun.data && (
            <section className="card stack" aria-label="Run again">
              <h2>As edited now</h2>
              <PictureWithBoxes run={run} name={picture_name} result={rerun.data} />
              <Findings result={rerun.data} />
            </section>
          )}
        </div>
      </div>
    </div>
  );
}
