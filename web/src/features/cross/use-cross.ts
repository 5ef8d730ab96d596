import type { Schema } from "../../lib/api";
import { useWork } from "../../lib/use-work";

export type Crossing = Schema<"CrossingBody">;

export interface Crossed {
  rows: Crossing[];
  /** Once all layers are crossed. */
  diagnosis: Schema<"DiagnosisBody"> | null;
  /** What float was held against. */
  mode: string;
}

const NOTHING: Crossed = { rows: [], diagnosis: null, mode: "" };
const fold = ({ rows, mode }: Crossed, { crossing, diagnosis = null }: Schema<"CrossEvent">) => ({
  rows: crossing ? [...rows, crossing] : rows,
  diagnosis,
  mode,
});

/** A run's model crossed: a row for each layer as soon as it is known. */
export function useCross(run: string) {
  const { work: cross, start, stop } = useWork(["work", run, "cross"], NOTHING, fold);
  const begin = (mode: string) => start(`/api/runs/${run}/cross?mode=${mode}`, undefined, { ...NOTHING, mode });
  return { cross, start: begin, stop };
}
