// What each algorithm did to a layer, side by side.

import type { Schema } from "../../lib/api";
import { formatDecibel, formatNumber, formatPercent } from "../../lib/format";

export type Choice = Schema<"ChoiceBody">;
export type Candidate = Schema<"CandidateBody">;

/** What of a candidate is shown, and whether more of it is better. */
export const FIGURES = {
  "output SQNR": { of: (each: Candidate) => each.output_sqnr_db, format: formatDecibel, highFirst: true },
  "own SQNR": { of: (each: Candidate) => each.sqnr_db, format: formatDecibel, highFirst: true },
  cosine: { of: (each: Candidate) => each.cosine, format: (value: number) => value.toFixed(5), highFirst: true },
  "KL, nats": { of: (each: Candidate) => each.kl_nats, format: formatNumber, highFirst: false },
  clipped: { of: (each: Candidate) => each.clipped_fraction, format: formatPercent, highFirst: false },
  scale: { of: (each: Candidate) => each.scale, format: formatNumber, highFirst: false },
} as const;

export type Figure = keyof typeof FIGURES;

/** Every algorithm that was tried on any of them, in the order met. */
export function algorithmsOf(choices: Choice[]): string[] {
  return [...new Set(choices.flatMap((choice) => choice.candidates.map((each) => each.algorithm)))];
}

export function candidateOf(choice: Choice, algorithm: string): Candidate | undefined {
  return choice.candidates.find((each) => each.algorithm === algorithm);
}

/** How many layers took each algorithm, the most taken first, in words. */
export function tally(choices: Choice[]): string {
  const counts = new Map<string, number>();
  for (const { algorithm } of choices) counts.set(algorithm, (counts.get(algorithm) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([algorithm, count]) => `${algorithm} ${count}`)
    .join(", ");
}
