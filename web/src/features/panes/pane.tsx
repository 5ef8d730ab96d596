import type { Viewport } from "@xyflow/react";

import { ErrorNote } from "../../components/error-note";
import { GraphView } from "../../components/graph/graph-view";
import { BY_PRECISION } from "../../components/graph/shades";
import { Waiting } from "../../components/waiting";
import { formatDecibel, formatMilliseconds } from "../../lib/format";
import { useRun } from "../runs/api";
import { Findings, PictureWithBoxes } from "../runs/findings";
import { RandomWeights } from "../runs/random-weights";
import { useGraph, useLook } from "../step/api";
import { ValueView } from "../step/value-view";
import { counterpart } from "./counterpart";
import { type Corner, MovedPicture } from "./moved-picture";

interface Props {
  run: string;
  /** Chosen in any of the panes; `names` are the layers of the first. */
  layer: string;
  names: string[];
  onOpen: (layer: string) => void;
  onClose: () => void;
  picture: { zoom: number; corner: Corner; onCorner: (corner: Corner) => void };
  graphs: { viewport: Viewport | null; onViewport: (viewport: Viewport) => void };
}

/** One run of several: what it found, its graph, and its value of the layer that all stand at. */
export function Pane({ run, layer, names, onOpen, onClose, picture, graphs }: Props) {
  const found = useRun(run);
  const graph = useGraph(run);
  const own = graph.data?.layers.map((each) => each.name) ?? [];
  const here = counterpart(layer, names, own);
  const look = useLook(run, here);
  const open = (chosen: string) => onOpen(counterpart(chosen, own, names) || chosen);
  const wrong = found.error ?? graph.error;
  if (wrong) {
    return (
      <section className="card stack" aria-label="A run that cannot be shown">
        <ErrorNote error={wrong} />
        <div className="row">
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </section>
    );
  }
  if (!found.data) return <Waiting label="Looking for the run" />;
  const { model, mode, picture_name, result } = found.data;
  const title = `${model}, ${mode}`;
  return (
    <section className="card stack" aria-label={title}>
      <div className="row">
        <h2>{model}</h2>
        <span className={`tag mode-${mode}`}>{mode}</span>
        <span className="grow" />
        {result && <strong>{formatMilliseconds(result.latency_ms)}</strong>}
        <button type="button" className="link" aria-label={`Close ${title}`} onClick={onClose}>
          Close
        </button>
      </div>
      <MovedPicture label={`Picture of ${title}`} {...picture}>
        <PictureWithBoxes run={run} name={picture_name} result={result ?? null} />
      </MovedPicture>
      {result && <RandomWeights trained={result.trained} />}
      {result && <Findings result={result} />}
      <div className="pane-graph">
        {graph.data ? (
          <GraphView graph={graph.data} here={here} onOpen={open} {...BY_PRECISION} {...graphs} />
        ) : (
          <Waiting label={`Opening ${title}`} />
        )}
      </div>
      {here && (
        <div className="row">
          <h3>{here}</h3>
          <span className="grow" />
          {look.data && (
            <span>
              <span className="soft small">signal to noise against float</span>{" "}
              <strong>{formatDecibel(look.data.visit.sqnr_db)}</strong>
            </span>
          )}
        </div>
      )}
      {here && <ValueView run={run} layer={here} />}
    </section>
  );
}
