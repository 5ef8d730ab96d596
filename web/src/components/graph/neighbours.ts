// Where an arrow key leads in a graph that is laid out from top to bottom.

import type { Edge, Placed } from "./layout";

export type Arrow = "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight";

export function isArrow(key: string): key is Arrow {
  return key === "ArrowUp" || key === "ArrowDown" || key === "ArrowLeft" || key === "ArrowRight";
}

/**
 * The node that an arrow leads to from another, both as indices; the first where one stands nowhere yet.
 *
 * Up and down follow edges, and take the one that is nearest; left and right go to the next one in the same row.
 * Where there is none, one stays.
 */
export function neighbour(arrow: Arrow, at: number, names: string[], edges: Edge[], { places }: Placed): number {
  const here = places[at];
  if (!here) return 0;
  const index = new Map(names.map((name, n) => [name, n]));
  const found = candidates(arrow, at, names, edges, index, places);
  const distance = (n: number) => Math.hypot(places[n]!.x - here.x, places[n]!.y - here.y);
  return found.reduce((best, n) => (best === at || distance(n) < distance(best) ? n : best), at);
}

function candidates(
  arrow: Arrow,
  at: number,
  names: string[],
  edges: Edge[],
  index: Map<string, number>,
  places: Placed["places"],
): number[] {
  const name = names[at];
  const here = places[at]!;
  switch (arrow) {
    case "ArrowUp":
      return edges.filter((edge) => edge.to === name).map((edge) => index.get(edge.from)!);
    case "ArrowDown":
      return edges.filter((edge) => edge.from === name).map((edge) => index.get(edge.to)!);
    case "ArrowLeft":
      return [...places.keys()].filter((n) => places[n]!.y === here.y && places[n]!.x < here.x);
    case "ArrowRight":
      return [...places.keys()].filter((n) => places[n]!.y === here.y && places[n]!.x > here.x);
  }
}
