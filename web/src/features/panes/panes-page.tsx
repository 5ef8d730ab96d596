import type { Viewport } from "@xyflow/react";
import { useCallback, useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { useTitle } from "../../lib/use-title";
import { type Run, useRuns } from "../runs/api";
import { useGraph } from "../step/api";
import { useKeys } from "../step/use-keys";
import { MOST_PANES } from "./address";
import { Pane } from "./pane";
import "./panes.css";

const ZOOMS = [1, 2, 4] as const;

/** Up to four runs side by side, moved together: the graph, the layer and the picture. */
export default function PanesPage() {
  useTitle("Side by side");
  const [query, setQuery] = useSearchParams();
  const runs = useRuns();
  const shown = query.getAll("run").slice(0, MOST_PANES);
  const layer = query.get("layer") ?? "";
  const [viewport, setViewport] = useState<Viewport | null>(null);
  const [corner, setCorner] = useState({ x: 0, y: 0 });
  const [zoom, setZoom] = useState<number>(1);
  const first = useGraph(shown[0] ?? "");
  const names = useMemo(() => first.data?.layers.map((each) => each.name) ?? [], [first.data]);

  const show = useCallback(
    (panes: string[], at: string) =>
      setQuery([...panes.map((run) => ["run", run] as [string, string]), ...(at ? [["layer", at] as [string, string]] : [])], {
        replace: true,
      }),
    [setQuery],
  );
  const open = (at: string) => show(shown, at);
  const step = (by: number) => {
    const next = names[names.indexOf(layer) + by];
    if (next) open(next);
  };
  useKeys({ n: () => step(1), ArrowRight: () => step(1), p: () => step(-1), ArrowLeft: () => step(-1) });

  const free = (runs.data ?? []).filter((run) => run.can_step && !shown.includes(run.id));
  return (
    <div className="stack">
      <div className="row">
        <h1>Side by side</h1>
        <span className="grow" />
        {shown.length > 0 && (
          <a className="button" href={`/api/comparison.html?runs=${shown.join(",")}`} download>
            Save as HTML
          </a>
        )}
        <Link to="/runs">All runs</Link>
      </div>
      <div className="row">
        <button type="button" onClick={() => step(-1)} disabled={names.indexOf(layer) < 1} aria-keyshortcuts="p ArrowLeft">
          ← Back <kbd>p</kbd>
        </button>
        <button
          type="button"
          className="primary"
          onClick={() => step(1)}
          disabled={!names[names.indexOf(layer) + 1]}
          aria-keyshortcuts="n ArrowRight"
        >
          Next <kbd>n</kbd> →
        </button>
        <label className="choice">
          Picture
          <select value={zoom} onChange={(event) => setZoom(Number(event.target.value))}>
            {ZOOMS.map((each) => (
              <option key={each} value={each}>
                {each} ×
              </option>
            ))}
          </select>
        </label>
        {shown.length < MOST_PANES && <AddPane runs={free} onAdd={(run) => show([...shown, run], layer)} />}
      </div>
      <ErrorNote error={runs.error} />
      {shown.length === 0 && (
        <p className="soft">
          Choose a run here. Any model, variant and mode can be run on the <Link to="/runs">runs page</Link>.
        </p>
      )}
      <div className={`panes-grid panes-${shown.length}`}>
        {shown.map((run) => (
          <Pane
            key={run}
            run={run}
            layer={layer}
            names={names}
            onOpen={open}
            onClose={() => show(shown.filter((each) => each !== run), layer)}
            picture={{ zoom, corner, onCorner: setCorner }}
            graphs={{ viewport, onViewport: setViewport }}
          />
        ))}
      </div>
    </div>
  );
}

function AddPane({ runs, onAdd }: { runs: Run[]; onAdd: (run: string) => void }) {
  if (runs.length === 0) return null;
  return (
    <label className="choice">
      Add
      <select value="" onChange={(event) => onAdd(event.target.value)}>
        <option value="" disabled>
          a run
        </option>
        {runs.map((run) => (
          <option key={run.id} value={run.id}>
            {run.model}, {run.mode}, {run.picture_name}
          </option>
        ))}
      </select>
    </label>
  );
}
