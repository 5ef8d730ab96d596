import { Panel, type ReactFlowState, useReactFlow, useStore } from "@xyflow/react";
import { memo, type PointerEvent, useMemo } from "react";

import type { Schema } from "../../lib/api";
import { NODE_HEIGHT_PX, NODE_WIDTH_PX, type Placed } from "./layout";

type Layer = Schema<"LayerBody">;

interface Props {
  layers: Layer[];
  placed: Placed;
  /** A class that says how a layer is coloured. */
  shadeOf: (layer: Layer) => string;
}

const MARGIN_PX = 200;

/** Where in the whole graph one is: all layers small, what is in view as a frame; the pointer goes to a place. */
export function Overview({ layers, placed, shadeOf }: Props) {
  const flow = useReactFlow();
  const box = useMemo(() => boxOf(placed), [placed]);
  const seen = useStore(seenOf);

  function go(event: PointerEvent<SVGSVGElement>) {
    if (event.buttons !== 1) return;
    const toDrawing = event.currentTarget.getScreenCTM()?.inverse();
    if (!toDrawing) return;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(toDrawing);
    void flow.setCenter(x, y, { zoom: flow.getZoom() });
  }

  return (
    <Panel position="bottom-right" className="overview wide">
      <svg viewBox={box.join(" ")} role="img" aria-label="The whole graph" onPointerDown={go} onPointerMove={go}>
        <Layers layers={layers} placed={placed} shadeOf={shadeOf} />
        <path className="seen" d={seen} />
      </svg>
    </Panel>
  );
}

/** One path a colour: an element for each of a thousand layers would keep the page from answering. */
const Layers = memo(function Layers({ layers, placed, shadeOf }: Props) {
  const paths = useMemo(() => {
    const found = new Map<string, string>();
    layers.forEach((layer, n) => {
      const { x, y } = placed.places[n]!;
      const box = rectangle(x - NODE_WIDTH_PX / 2, y - NODE_HEIGHT_PX / 2, NODE_WIDTH_PX, NODE_HEIGHT_PX);
      found.set(shadeOf(layer), (found.get(shadeOf(layer)) ?? "") + box);
    });
    return [...found];
  }, [layers, placed, shadeOf]);
  return paths.map(([shade, path]) => <path key={shade} className={shade} d={path} />);
});

/** Left, top, width and height of what is drawn, in the layout's pixels. */
function boxOf({ places }: Placed): [number, number, number, number] {
  const [left, right] = [Math.min(...places.map(({ x }) => x)), Math.max(...places.map(({ x }) => x))];
  const [top, bottom] = [Math.min(...places.map(({ y }) => y)), Math.max(...places.map(({ y }) => y))];
  return [left - MARGIN_PX, top - MARGIN_PX, right - left + 2 * MARGIN_PX, bottom - top + 2 * MARGIN_PX];
}

function seenOf({ transform: [x, y, zoom], width, height }: ReactFlowState): string {
  return rectangle(-x / zoom, -y / zoom, width / zoom, height / zoom);
}

function rectangle(x: number, y: number, width: number, height: number): string {
  return `M${Math.round(x)} ${Math.round(y)}h${Math.round(width)}v${Math.round(height)}h${-Math.round(width)}z`;
}
