import { useReactFlow } from "@xyflow/react";
import { type KeyboardEvent, useEffect, useRef } from "react";

import type { Edge, Placed } from "./layout";
import { type Arrow, isArrow, neighbour } from "./neighbours";

const PAN_PX = 120;
const PANS: Record<Arrow, [number, number]> = {
  ArrowUp: [0, PAN_PX],
  ArrowDown: [0, -PAN_PX],
  ArrowLeft: [PAN_PX, 0],
  ArrowRight: [-PAN_PX, 0],
};

interface Where {
  names: string[];
  edges: Edge[];
  placed: Placed | null;
  /** The place among the names of the layer one stands at; -1 before the first. */
  at: number;
  onOpen: (layer: string) => void;
  /** Zoomed or panned. */
  onMoved?: () => void;
}

/** All that a mouse does to a graph: arrows go to layers, Shift and arrows pan, `+` and `-` zoom, `0` shows all. */
export function useGraphKeys({ names, edges, placed, at, onOpen, onMoved }: Where): (event: KeyboardEvent) => void {
  const flow = useReactFlow();

  // An arrow may come before the page shows where the one before it led.
  const stands = useRef(at);
  useEffect(() => {
    stands.current = at;
  }, [at]);

  function go(arrow: Arrow) {
    if (!placed) return;
    const next = neighbour(arrow, stands.current, names, edges, placed);
    const layer = names[next];
    if (layer === undefined || next === stands.current) return;
    stands.current = next;
    onOpen(layer);
  }
  function pan(arrow: Arrow) {
    const { x, y, zoom } = flow.getViewport();
    return flow.setViewport({ x: x + PANS[arrow][0], y: y + PANS[arrow][1], zoom });
  }
  const zooms: Record<string, () => Promise<boolean>> = {
    "+": () => flow.zoomIn(),
    "-": () => flow.zoomOut(),
    "0": () => flow.fitView(),
  };

  return (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (isArrow(key) && !event.shiftKey) go(key);
    else {
      const moved = isArrow(key) ? pan(key) : zooms[key]?.();
      if (!moved) return;
      void moved.then(onMoved);
    }
    event.preventDefault();
    event.stopPropagation(); // the page's own keys are not meant
  };
}
