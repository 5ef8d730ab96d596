// Who stands beside whom in the rows of a layered drawing, so that few lines cross.

import type { Rows } from "./ranks";

const SWEEPS = 12;

/** Put each row in an order with few crossings: by the middle of the neighbours, down and up, the best of all sweeps. */
export function order(made: Rows): void {
  const at = new Array<number>(made.above.length).fill(0);
  const number = (row: number[]) => row.forEach((node, n) => (at[node] = n));
  startBySearch(made);
  made.rows.forEach(number);
  let best = made.rows;
  let fewest = crossings(made, at);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const down = sweep % 2 === 0;
    const beside = down ? made.above : made.below;
    const rows = down ? made.rows.keys() : [...made.rows.keys()].reverse();
    for (const row of rows) number((made.rows[row] = byMiddle(made.rows[row]!, beside, at)));
    const found = crossings(made, at);
    if (found < fewest) [best, fewest] = [[...made.rows], found];
  }
  made.rows = best;
}

/** As a depth-first search meets them: whole branches stand side by side. */
function startBySearch(made: Rows): void {
  const rank = new Array<number>(made.above.length);
  made.rows.forEach((row, n) => row.forEach((node) => (rank[node] = n)));
  const seen = new Set<number>();
  const rows: number[][] = made.rows.map(() => []);
  const waiting = made.rows.flat().reverse();
  while (waiting.length > 0) {
    const node = waiting.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    rows[rank[node]!]!.push(node);
    waiting.push(...made.below[node]!.toReversed());
  }
  made.rows = rows;
}

function byMiddle(row: number[], beside: number[][], at: number[]): number[] {
  const middles = new Map(
    row.map((node) => {
      const found = beside[node]!;
      const sum = found.reduce((total, each) => total + at[each]!, 0);
      return [node, found.length > 0 ? sum / found.length : at[node]!];
    }),
  );
  return [...row].sort((a, b) => middles.get(a)! - middles.get(b)!);
}

/** How many pairs of lines between neighbouring rows cross. */
function crossings(made: Rows, at: number[]): number {
  let sum = 0;
  for (const row of made.rows) {
    const ends = row.flatMap((node) => made.below[node]!.map((reader) => at[reader]!).sort((a, b) => a - b));
    sum += inversions(ends);
  }
  return sum;
}

/** Pairs that stand in the wrong order: by insertion, which is quick where few do. */
function inversions(values: number[]): number {
  let sum = 0;
  for (let n = 1; n < values.length; n++) {
    const value = values[n]!;
    let place = n - 1;
    while (place >= 0 && values[place]! > value) {
      values[place + 1] = values[place]!;
      place--;
    }
    values[place + 1] = value;
    sum += n - 1 - place;
  }
  return sum;
}
