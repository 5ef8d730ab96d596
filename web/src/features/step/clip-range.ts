// What the codes of a value span, and where handles over its histogram stand.

import type { Schema } from "../../lib/api";

export interface Range {
  low: number;
  high: number;
}
export type End = keyof Range;

const HIGHEST_CODE = 255;
/** Of the range, shown beyond each of its ends: it can be made wider. */
const ROOM = 0.25;

export function rangeOf({ scale, zero_point }: Schema<"QParamsBody">): Range {
  return { low: -scale * zero_point, high: scale * (HIGHEST_CODE - zero_point) };
}

/** The range with some room, and all of the histogram. */
export function shownRange({ low, high }: Range, edges: number[]): Range {
  const room = ROOM * (high - low);
  return { low: Math.min(low - room, edges[0] ?? low), high: Math.max(high + room, edges.at(-1) ?? high) };
}

/** One end moved: zero stays inside, since it has a code of its own, and the range has a width. */
export function moved(range: Range, end: End, value: number, step: number): Range {
  const next = end === "low" ? { ...range, low: Math.min(0, value) } : { ...range, high: Math.max(0, value) };
  return next.high - next.low < step ? range : next;
}
