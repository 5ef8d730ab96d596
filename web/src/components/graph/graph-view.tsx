import {
  Background,
  Controls,
  type Node,
  type NodeProps,
  Panel,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStoreApi,
  type Viewport,
  ViewportPortal,
} from "@xyflow/react";
import { createContext, memo, useContext, useEffect, useMemo } from "react";
import "@xyflow/react/dist/style.css";
import "./graph.css";

import type { Schema } from "../../lib/api";
import { NODE_HEIGHT_PX, NODE_WIDTH_PX } from "./layout";
import { Overview } from "./overview";
import { useGraphKeys } from "./use-graph-keys";
import { edgesOf, useLayout } from "./use-layout";

type Layer = Schema<"LayerBody">;
type LayerNode = Node<{ layer: Layer }, "layer">;

interface Shown {
  here: string;
  onOpen: (layer: string) => void;
  /** A class that says how a layer is coloured, and what stands below its name. */
  shadeOf: (layer: Layer) => string;
  noteOf: (layer: Layer) => string;
}

interface Props extends Shown {
  graph: Schema<"GraphBody">;
  /** Show where in the whole one is. */
  overview?: boolean;
  /** Where several graphs are moved together: the place of all, and that this one was moved. */
  viewport?: Viewport | null;
  onViewport?: (viewport: Viewport) => void;
}

const ZOOM = 0.9;
/** Of every graph alike, whether a layer is chosen before it is laid out or after. */
const DEFAULT_VIEWPORT: Viewport = { x: 0, y: 0, zoom: ZOOM };
const NODE_TYPES = { layer: LayerBox };

/** All boxes are alike. What React Flow is not told it measures, and for that puts every box into the page. */
const MEASURED = {
  measured: { width: NODE_WIDTH_PX, height: NODE_HEIGHT_PX },
  width: NODE_WIDTH_PX,
  height: NODE_HEIGHT_PX,
  handles: [],
};

/** What boxes show beside their layer: kept out of the nodes, so that React Flow has nothing to do when it changes. */
const ShownContext = createContext<Shown | null>(null);

/** The layers as a graph, each a button; the arrow keys go along its edges, `+`, `-` and `0` zoom, Shift and arrows pan. */
export const GraphView = memo(function GraphView({ here, onOpen, shadeOf, noteOf, ...props }: Props) {
  const shown = useMemo(() => ({ here, onOpen, shadeOf, noteOf }), [here, onOpen, shadeOf, noteOf]);
  return (
    <ShownContext value={shown}>
      <ReactFlowProvider>
        <Flow {...props} shown={shown} />
      </ReactFlowProvider>
    </ShownContext>
  );
});

type FlowProps = Omit<Props, keyof Shown> & { shown: Shown };

function Flow({ graph, shown, overview = false, viewport, onViewport }: FlowProps) {
  const { here, onOpen, shadeOf } = shown;
  const placed = useLayout(graph);
  const flow = useReactFlow();
  const store = useStoreApi();
  const nodes = useMemo<LayerNode[]>(() => {
    if (!placed) return [];
    return graph.layers.map((layer, n) => {
      const { x = 0, y = 0 } = placed.places[n] ?? {};
      return {
        id: layer.name,
        type: "layer",
        position: { x: x - NODE_WIDTH_PX / 2, y: y - NODE_HEIGHT_PX / 2 },
        ...MEASURED,
        data: { layer },
      };
    });
  }, [graph, placed]);
  const edges = useMemo(() => edgesOf(graph), [graph]);
  const at = useMemo(() => graph.layers.findIndex((layer) => layer.name === here), [graph, here]);
  useEffect(() => {
    const place = placed?.places[Math.max(0, at)];
    if (!place) return;
    if (at >= 0) void flow.setCenter(place.x, place.y, { zoom: Math.max(flow.getZoom(), ZOOM / 2) });
    else void flow.setCenter(place.x, place.y + store.getState().height / ZOOM / 2 - NODE_HEIGHT_PX, { zoom: ZOOM });
  }, [flow, store, placed, at]);
  useEffect(() => {
    if (viewport) void flow.setViewport(viewport);
  }, [flow, viewport]);

  const names = useMemo(() => graph.layers.map((layer) => layer.name), [graph]);
  const press = useGraphKeys({
    ...{ names, edges, placed, at, onOpen },
    onMoved: () => onViewport?.(flow.getViewport()),
  });

  return (
    <div className="graph" role="group" tabIndex={0} aria-label="Graph of the layers" onKeyDown={press}>
      <ReactFlow
        nodes={nodes}
        nodeTypes={NODE_TYPES}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        defaultViewport={DEFAULT_VIEWPORT}
        minZoom={0.05}
        onMove={onViewport && ((event, moved) => event && onViewport(moved))}
      >
        <Background />
        {placed && <Lines path={placed.lines} />}
        <Controls showInteractive={false} />
        {!placed && <Panel position="top-center">Laying the graph out …</Panel>}
        {placed && overview && <Overview layers={graph.layers} placed={placed} shadeOf={shadeOf} />}
      </ReactFlow>
    </div>
  );
}

/** Behind the boxes: one path, where an element for each line would keep the page from answering. */
const Lines = memo(function Lines({ path }: { path: string }) {
  return (
    <ViewportPortal>
      <svg className="lines" aria-hidden="true">
        <path d={path} />
      </svg>
    </ViewportPortal>
  );
});

function LayerBox({ data: { layer } }: NodeProps<LayerNode>) {
  const shown = useContext(ShownContext);
  if (!shown) return null;
  const isHere = layer.name === shown.here;
  return (
    <button
      type="button"
      className={`layer-box ${shown.shadeOf(layer)} ${isHere ? "here" : ""}`}
      aria-current={isHere ? "step" : undefined}
      onClick={() => shown.onOpen(layer.name)}
    >
      <b>{layer.name}</b>
      <small>{shown.noteOf(layer)}</small>
    </button>
  );
}
