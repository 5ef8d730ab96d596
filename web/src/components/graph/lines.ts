// The lines of a layered drawing: from box to box, and beside those of the rows between.

import type { Rows } from "./ranks";

interface Drawn {
  made: Rows;
  /** The middle of each node and passage, in pixels. */
  x: number[];
  /** Of a row's middle, in pixels. */
  yOf: (row: number) => number;
  /** Of a box, in pixels. */
  height: number;
}

/** All lines as one SVG path: level with boxes they go straight down, between rows they bend. */
export function linesOf({ made, x, yOf, height }: Drawn): string {
  const path: string[] = [];
  made.rows.forEach((row, n) => {
    const bottom = yOf(n) + height / 2;
    const top = yOf(n + 1) - height / 2;
    const middle = (bottom + top) / 2;
    for (const from of row)
      for (const to of made.below[from]!) {
        const [start, end] = [Math.round(x[from]!), Math.round(x[to]!)];
        path.push(`M${start} ${bottom}C${start} ${middle} ${end} ${middle} ${end} ${top}`);
        if (to >= made.nodes) path.push(`v${height}`);
      }
  });
  return path.join("");
}
