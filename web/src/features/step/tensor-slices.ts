// Which elements of a tensor a table shows, and what changing one of them is called.

import type { Edit, Part } from "./api";

const ROWS = 32;

export interface Slice {
  /** The first element, in row-major order, and how many. */
  first: number;
  count: number;
  pages: number;
  rows: { name: string; first: number; places: number[][] }[];
}

/**
 * One page of a table.
 *
 * Weights [O, I, H, W] show one output channel: a row for each input channel, a column for each place of the kernel.
 * A vector [O] shows a row for each element.
 */
export function sliceOf(shape: number[], channel: number, page: number): Slice {
  const isVector = shape.length === 1;
  const rowCount = (isVector ? shape[0] : shape[1]) ?? 1;
  const kernel = shape.slice(2);
  const columns = kernel.reduce((product, side) => product * side, 1);
  const from = page * ROWS;
  const until = Math.min(rowCount, from + ROWS);
  const begin = isVector ? 0 : channel * rowCount * columns;
  const rows = Array.from({ length: Math.max(0, until - from) }, (_, n) => {
    const row = from + n;
    const places = Array.from({ length: columns }, (_, column) =>
      isVector ? [row] : [channel, row, ...placeIn(kernel, column)],
    );
    return { name: String(row), first: begin + row * columns, places };
  });
  const pages = Math.max(1, Math.ceil(rowCount / ROWS));
  return { first: begin + from * columns, count: Math.max(1, rows.length * columns), pages, rows };
}

function placeIn(shape: number[], index: number): number[] {
  const place: number[] = [];
  let left = index;
  for (const side of [...shape].reverse()) {
    place.unshift(left % side);
    left = Math.floor(left / side);
  }
  return place;
}

export function editOf(part: Part, layer: string, place: number[], value: number): Edit {
  if (part === "scales") return { kind: "scale", layer, channel: place[0] ?? 0, scale: value };
  return { kind: part, layer, place, values: [value] };
}

/** What somebody has typed over a number; undefined where that is none, or what stood there: it was rounded. */
export function numberTyped(text: string, shown: string): number | undefined {
  const number = Number(text.replace(",", "."));
  return text.trim() === "" || text === shown || !Number.isFinite(number) ? undefined : number;
}

/** The whole number that somebody has typed, from `least` to `most`. */
export function within(text: string, least: number, most: number): number {
  return Math.min(Math.max(least, Math.trunc(Number(text))), most);
}
