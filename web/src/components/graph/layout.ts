// Where each layer is drawn: a layered layout, which looks at shapes and edges alone, so that an edit moves nothing.

import { columnsOf } from "./columns";
import { linesOf } from "./lines";
import { order } from "./order";
import { type Neighbours, ranksOf, rowsOf } from "./ranks";

export interface Edge {
  from: string;
  to: string;
}

export interface Placed {
  /** The middle of each, in pixels, in the order given. */
  places: { x: number; y: number }[];
  /** What reads what, as an SVG path in the same pixels. */
  lines: string;
}

export const NODE_WIDTH_PX = 190;
export const NODE_HEIGHT_PX = 46;
const BESIDE_PX = 24;
const BETWEEN_ROWS_PX = 28;

/** Lay nodes out from top to bottom; each is given after those that it reads. */
export function layOut(nodes: string[], edges: Edge[]): Placed {
  const neighbours = neighboursOf(nodes, edges);
  const ranks = ranksOf(neighbours);
  const made = rowsOf(neighbours, ranks);
  order(made);
  const x = columnsOf(made, NODE_WIDTH_PX, BESIDE_PX);
  const yOf = (row: number) => row * (NODE_HEIGHT_PX + BETWEEN_ROWS_PX);
  return {
    places: ranks.map((rank, node) => ({ x: x[node]!, y: yOf(rank) })),
    lines: linesOf({ made, x, yOf, height: NODE_HEIGHT_PX }),
  };
}

function neighboursOf(nodes: string[], edges: Edge[]): Neighbours {
  const index = new Map(nodes.map((node, n) => [node, n]));
  const above: number[][] = nodes.map(() => []);
  const below: number[][] = nodes.map(() => []);
  for (const { from, to } of edges) {
    above[index.get(to)!]!.push(index.get(from)!);
    below[index.get(from)!]!.push(index.get(to)!);
  }
  return { above, below };
}
