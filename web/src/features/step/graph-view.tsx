import {
  Background,
  Controls,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import { useEffect, useMemo, useState } from "react";
import "@xyflow/react/dist/style.css";

import type { Graph, Layer } from "./api";
import { type Edge, NODE_HEIGHT_PX, NODE_WIDTH_PX, type Placed } from "./layout";

type LayerNode = Node<{ layer: Layer; isHere: boolean; onOpen: (layer: string) => void }, "layer">;

const ZOOM = 0.9;
const NODE_TYPES = { layer: LayerBox };

/** The layers as a graph; choosing one steps there. */
export function GraphView(props: { graph: Graph; here: string; onOpen: (layer: string) => void }) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ graph, here, onOpen }: { graph: Graph; here: string; onOpen: (layer: string) => void }) {
  const placed = useLayout(graph);
  const flow = useReactFlow();
  const nodes = useMemo<LayerNode[]>(() => {
    if (!placed) return [];
    return graph.layers.map((layer, n) => {
      const { x = 0, y = 0 } = placed.places[n] ?? {};
      return {
        id: layer.name,
        type: "layer",
        position: { x: x - NODE_WIDTH_PX / 2, y: y - NODE_HEIGHT_PX / 2 },
        width: NODE_WIDTH_PX,
        height: NODE_HEIGHT_PX,
        data: { layer, isHere: layer.name === here, onOpen },
      };
    });
  }, [graph, placed, here, onOpen]);
  const edges = useMemo(
    () => edgesOf(graph).map(({ from, to }) => ({ id: `${from} ${to}`, source: from, target: to })),
    [graph],
  );
  useEffect(() => {
    const at = graph.layers.findIndex((layer) => layer.name === here);
    const place = placed?.places[Math.max(0, at)];
    if (place) void flow.setCenter(place.x, place.y, { zoom: ZOOM });
  }, [flow, graph, placed, here]);
  if (!placed) return <p className="soft">Laying the graph out …</p>;
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      onlyRenderVisibleElements
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      edgesFocusable={false}
      elementsSelectable={false}
      minZoom={0.05}
      proOptions={{ hideAttribution: false }}
      aria-label="Graph of the layers"
    >
      <Background />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}

function LayerBox({ data }: NodeProps<LayerNode>) {
  const { layer, isHere, onOpen } = data;
  return (
    <>
      <Handle type="target" position={Position.Top} />
      <button
        type="button"
        className={`layer-box kind-${kindOf(layer)} ${isHere ? "here" : ""}`}
        aria-current={isHere ? "step" : undefined}
        onClick={() => onOpen(layer.name)}
      >
        <b>{layer.name}</b>
        <small>
          {layer.operation} · {layer.shape.join(" × ")}
        </small>
      </button>
      <Handle type="source" position={Position.Bottom} />
    </>
  );
}

function kindOf(layer: Layer): string {
  if (layer.parameters > 0) return "weights";
  return /pool/i.test(layer.operation) ? "pool" : "other";
}

function edgesOf(graph: Graph): Edge[] {
  const known = new Set(graph.layers.map((layer) => layer.name));
  return graph.layers.flatMap((layer) =>
    [...new Set(layer.inputs)].filter((from) => known.has(from)).map((from) => ({ from, to: layer.name })),
  );
}

/** The layout, made beside the page: it takes longer than a frame. */
function useLayout(graph: Graph): Placed | null {
  const [placed, setPlaced] = useState<Placed | null>(null);
  // An edit gives a new graph of the same layers: what was laid out stays where it is.
  const shape = JSON.stringify(graph.layers.map((layer) => [layer.name, layer.inputs]));
  useEffect(() => {
    const worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = (event: MessageEvent<Placed>) => setPlaced(event.data);
    worker.postMessage({ nodes: graph.layers.map((layer) => layer.name), edges: edgesOf(graph) });
    return () => worker.terminate();
  }, [shape]);
  return placed;
}
