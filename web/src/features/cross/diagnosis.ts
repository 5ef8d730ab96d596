// What a cross says in words: one bad layer, or many small errors.

import type { Schema } from "../../lib/api";

export type Crossing = Schema<"CrossingBody">;

/** Of all the noise that layers add themselves, above this share one layer is the matter. */
const ONE_LAYER = 0.5;
const EXACT_DB = 200;

export interface Diagnosis {
  words: string;
  /** Where to look first; none where everything is exact. */
  worst?: Crossing;
}

/** Each layer's share of the noise that layers add themselves, relative to their own signals. */
export function shares(rows: Crossing[]): Map<string, number> {
  const noises = rows.map((row) => (row.own_db >= EXACT_DB ? 0 : 10 ** (-row.own_db / 10)));
  const all = noises.reduce((sum, noise) => sum + noise, 0);
  return new Map(rows.map((row, n) => [row.layer, all > 0 ? (noises[n] ?? 0) / all : 0]));
}

export function diagnose(rows: Crossing[]): Diagnosis {
  const share = shares(rows);
  const byShare = [...rows].sort((a, b) => (share.get(b.layer) ?? 0) - (share.get(a.layer) ?? 0));
  const [worst] = byShare;
  const most = worst ? (share.get(worst.layer) ?? 0) : 0;
  if (!worst || most === 0) return { words: "Integers lose nothing: every layer is exact." };
  const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
  if (most > ONE_LAYER) {
    return {
      worst,
      words:
        `One bad layer: ${worst.layer} adds ${percent(most)} of the error by itself. ` +
        "Step there and let it run in float, or look whether its range or a scale is wrong.",
    };
  }
  const first = byShare.slice(0, 5);
  const together = first.reduce((sum, row) => sum + (share.get(row.layer) ?? 0), 0);
  return {
    worst,
    words:
      `Diffuse: no layer adds more than ${percent(most)} of the error; the worst ${first.length} add ${percent(together)} together. ` +
      "Calibrate on more pictures, or try hybrid or auto, before changing single layers.",
  };
}
