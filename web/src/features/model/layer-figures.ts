// What was measured of each layer, from a cross and from a report.

import type { Crossing } from "../cross/use-cross";
import type { Measured } from "./use-report";

export interface LayerFigures {
  own_db?: number;
  total_db?: number;
  float32_ms?: number;
  int8_ms?: number;
}

/** By layer; a report says all that a cross does, of the same picture. */
export function figuresOf(cross: Crossing[], report: Measured | null): Map<string, LayerFigures> {
  const figures = new Map<string, LayerFigures>(cross.map(({ layer, own_db, total_db }) => [layer, { own_db, total_db }]));
  for (const { layer, own_db, total_db, float32_ms, int8_ms } of report?.layers ?? []) {
    figures.set(layer, { own_db, total_db, float32_ms, int8_ms });
  }
  return figures;
}
