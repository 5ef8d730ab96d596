import type { Schema } from "../../lib/api";
import { useWork } from "../../lib/use-work";

export type Crossing = Schema<"CrossingBody">;

export interface Crossed {
  rows: Crossing[];
  /** Once all layers are crossed. */
  diagnosis: Schema<"DiagnosisBody"> | null;
}

const NOTHING: Crossed = { rows: [], diagnosis: null };
const fold = ({ rows }: Crossed, { crossing, diagnosis = null }: Schema<"CrossEvent">) => ({
  rows: crossing ? [...rows, crossing] : rows,
  diagnosis,
});

/** A run's model crossed: a row for each layer as soon as it is known. */
export function useCross(run: string) {
  const { work: cross, start, stop } = useWork(["work", run, "cross"], NOTHING, fold);
  return { cross, start: (mode: string) => start(`/api/runs/${run}/cross${mode ? `?mode=${mode}` : ""}`), stop };
}
