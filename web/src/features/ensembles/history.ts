import type { Schema } from "../../lib/api";

export type Ensembles = Schema<"EnsemblesBody">;
export type Ensemble = Schema<"EnsembleLiveBody">;

/** One look at an ensemble's latency; null where nothing was answered. */
export interface Seen {
  atS: number;
  p50Ms: number | null;
  p95Ms: number | null;
}

const KEPT_S = 180;

/** What was seen of each ensemble by name, the last minutes of it. */
export function withSeen(before: Map<string, Seen[]>, now: Ensembles, atS: number): Map<string, Seen[]> {
  return new Map(
    now.ensembles.map((ensemble) => {
      const kept = (before.get(ensemble.name) ?? []).filter((each) => each.atS > atS - KEPT_S);
      return [ensemble.name, [...kept, { atS, p50Ms: ensemble.p50_ms, p95Ms: ensemble.p95_ms }]];
    }),
  );
}
