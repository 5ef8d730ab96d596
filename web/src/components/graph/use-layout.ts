import { useEffect, useMemo, useState } from "react";

import type { Schema } from "../../lib/api";
import type { Edge, Placed } from "./layout";

type Graph = Schema<"GraphBody">;

/** What reads what, between layers. */
export function edgesOf(graph: Graph): Edge[] {
  const known = new Set(graph.layers.map((layer) => layer.name));
  return graph.layers.flatMap((layer) =>
    [...new Set(layer.inputs)].filter((from) => known.has(from)).map((from) => ({ from, to: layer.name })),
  );
}

/** Same for all states of one model: an edit changes no layer's name or inputs. */
function shapeOf(graph: Graph): string {
  return JSON.stringify(graph.layers.map((layer) => [layer.name, layer.inputs]));
}

/** Of the models that were drawn since the page was loaded. */
const known = new Map<string, Placed>();

/** The layout, made beside the page: it takes longer than a frame. Its milliseconds are the measure `layout`. */
export function useLayout(graph: Graph): Placed | null {
  const shape = useMemo(() => shapeOf(graph), [graph]);
  const [placed, setPlaced] = useState<Placed | null>(known.get(shape) ?? null);
  useEffect(() => {
    const before = known.get(shape);
    if (before) {
      setPlaced(before);
      return;
    }
    const worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = (event: MessageEvent<{ placed: Placed; duration: number }>) => {
      const { placed: made, duration } = event.data;
      performance.measure("layout", { end: performance.now(), duration, detail: { nodes: made.places.length } });
      known.set(shape, made);
      setPlaced(made);
    };
    worker.postMessage({ nodes: graph.layers.map((layer) => layer.name), edges: edgesOf(graph) });
    return () => worker.terminate();
  }, [shape]);
  return placed;
}
