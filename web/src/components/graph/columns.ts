// Where from left to right the nodes of a layered drawing stand, given their order in each row.

import type { Rows } from "./ranks";

type Wanted = (node: number) => number;

/**
 * The middle of each, in pixels: below and above what it is connected with, as near as its row allows.
 *
 * What stands in one row is `apart` at least, in pixels, from middle to middle.
 */
export function columnsOf(made: Rows, apart: number): number[] {
  const { rows, above, below } = made;
  const upwards = rows.toReversed();
  const both = above.map((found, node) => [...found, ...below[node]!]);
  const x = new Array<number>(above.length).fill(0);
  for (const row of rows) place(row, x, apart, () => 0);
  const sweeps = [
    { order: rows, beside: above },
    { order: upwards, beside: below },
    { order: rows, beside: above },
    { order: rows, beside: both },
    { order: upwards, beside: both },
  ];
  for (const { order, beside } of sweeps)
    for (const row of order) place(row, x, apart, (node) => middle(beside[node]!, x, x[node]!));
  for (const row of rows) straighten(row, x, apart, made);
  return x;
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
function place(row: number[], x: number[], apart: number, wanted: Wanted): void {
  const pools: Pool[] = [];
  row.forEach((node, to) => {
    let from = to;
    let mean = wanted(node) - to * apart;
    for (let last = pools.at(-1); last && last.mean > mean; last = pools.at(-1)) {
      pools.pop();
      const start = (pools.at(-1)?.to ?? -1) + 1;
      mean = (last.mean * (from - start) + mean * (to + 1 - from)) / (to + 1 - start);
      from = start;
    }
    pools.push({ to, mean });
  });
  let pool = 0;
  row.forEach((node, n) => {
    if (n > pools[pool]!.to) pool++;
    x[node] = pools[pool]!.mean + n * apart;
  });
}

/** Put what follows in a chain straight below what it follows, as far as those beside it leave room. */
function straighten(row: number[], x: number[], apart: number, { above, below }: Rows): void {
  row.forEach((node, n) => {
    const [input, ...others] = above[node]!;
    if (input === undefined || others.length > 0 || below[input]!.length > 1) return;
    const least = n > 0 ? x[row[n - 1]!]! + apart : -Infinity;
    const most = n + 1 < row.length ? x[row[n + 1]!]! - apart : Infinity;
    x[node] = Math.max(least, Math.min(most, x[input]!));
  });
}
