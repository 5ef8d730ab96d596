// Where from left to right the nodes of a layered drawing stand, given their order in each row.

import type { Rows } from "./ranks";

type Wanted = (node: number) => number;

/** Nodes from left to right, and how far each is from the first at least, in pixels. */
interface Row {
  nodes: number[];
  offsets: number[];
}

/**
 * The middle of each, in pixels: below and above what it is connected with, as near as its row allows.
 *
 * Neighbours in a row have `beside` pixels between them at least; `width` is that of a node, and passages have none.
 */
export function columnsOf(made: Rows, width: number, beside: number): number[] {
  const { above, below, nodes } = made;
  const half = (node: number) => (node < nodes ? width / 2 : 0);
  const rows = made.rows.map((row) => ({ nodes: row, offsets: offsetsOf(row, half, beside) }));
  const upwards = rows.toReversed();
  const both = above.map((found, node) => [...found, ...below[node]!]);
  const x = new Array<number>(above.length).fill(0);
  for (const row of rows) place(row, x, () => 0);
  const sweeps = [
    { order: rows, near: above },
    { order: upwards, near: below },
    { order: rows, near: above },
    { order: rows, near: both },
    { order: upwards, near: both },
  ];
  for (const { order, near } of sweeps)
    for (const row of order) place(row, x, (node) => middle(near[node]!, x, x[node]!));
  for (const row of rows) straighten(row, x, made);
  return x;
}

function offsetsOf(row: number[], half: (node: number) => number, beside: number): number[] {
  let at = 0;
  return row.map((node, n) => (n === 0 ? 0 : (at += half(row[n - 1]!) + beside + half(node))));
}

/** The median, which makes a chain straight; of an even number, the mean of the two in the middle. */
function middle(beside: number[], x: number[], otherwise: number): number {
  if (beside.length === 0) return otherwise;
  const found = beside.map((node) => x[node]!).sort((a, b) => a - b);
  const half = found.length >> 1;
  return found.length % 2 === 1 ? found[half]! : (found[half - 1]! + found[half]!) / 2;
}

/** Nodes of one row that are pushed together: the index of the last, and what is wanted of the first on average. */
interface Pool {
  to: number;
  mean: number;
}

/** Place a row with the least sum of squared distances from what is wanted: pooling of adjacent violators. */
function place({ nodes, offsets }: Row, x: number[], wanted: Wanted): void {
  const pools: Pool[] = [];
  nodes.forEach((node, to) => {
    let from = to;
    let mean = wanted(node) - offsets[to]!;
    for (let last = pools.at(-1); last && last.mean > mean; last = pools.at(-1)) {
      pools.pop();
      const start = (pools.at(-1)?.to ?? -1) + 1;
      mean = (last.mean * (from - start) + mean * (to + 1 - from)) / (to + 1 - start);
      from = start;
    }
    pools.push({ to, mean });
  });
  let pool = 0;
  nodes.forEach((node, n) => {
    if (n > pools[pool]!.to) pool++;
    x[node] = pools[pool]!.mean + offsets[n]!;
  });
}

/** Put what follows in a chain, and each passage, straight below what it follows, as far as those beside it leave room. */
function straighten({ nodes, offsets }: Row, x: number[], made: Rows): void {
  nodes.forEach((node, n) => {
    const [input, ...others] = made.above[node]!;
    if (input === undefined || others.length > 0) return;
    if (made.below[input]!.length > 1 && node < made.nodes) return;
    const least = n > 0 ? x[nodes[n - 1]!]! + offsets[n]! - offsets[n - 1]! : -Infinity;
    const most = n + 1 < nodes.length ? x[nodes[n + 1]!]! - offsets[n + 1]! + offsets[n]! : Infinity;
    x[node] = Math.max(least, Math.min(most, x[input]!));
  });
}
