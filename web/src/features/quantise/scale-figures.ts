// What is shown of a layer in two variants.

import type { Schema } from "../../lib/api";
import { formatDecibel, formatNumber, formatPercent } from "../../lib/format";

export type ComparedLayer = Schema<"ComparedLayerBody">;

export interface ScaleFigure {
  name: string;
  value: (row: ComparedLayer) => number | null | undefined;
  format: (value: number) => string;
  highFirst: boolean;
}

export const SCALE_FIGURES: ScaleFigure[] = [
  { name: "Value, here", value: (row) => row.first.qparams?.scale, format: formatNumber, highFirst: true },
  { name: "Value, there", value: (row) => row.second.qparams?.scale, format: formatNumber, highFirst: true },
  { name: "Weights, here", value: (row) => row.first.weight_scale, format: formatNumber, highFirst: true },
  { name: "Weights, there", value: (row) => row.second.weight_scale, format: formatNumber, highFirst: true },
  { name: "Weight codes apart", value: (row) => row.weight_codes_differing, format: formatPercent, highFirst: true },
  { name: "Value codes apart", value: (row) => row.codes_differing, format: formatPercent, highFirst: true },
  { name: "by at most", value: (row) => row.largest, format: String, highFirst: true },
  { name: "Agree to", value: (row) => row.sqnr_db, format: formatDecibel, highFirst: false },
];

/** In words; empty where the layer has no such figure. */
export function wordsOf({ value, format }: ScaleFigure, row: ComparedLayer): string {
  const found = value(row);
  return found == null ? "" : format(found);
}
