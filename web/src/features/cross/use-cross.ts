import type { Schema } from "../../lib/api";
import { useWork } from "../../lib/use-work";
import type { Crossing } from "./diagnosis";

const NOTHING: Crossing[] = [];
const fold = (rows: Crossing[], { crossing }: Schema<"CrossEvent">) => (crossing ? [...rows, crossing] : rows);

/** A run's model crossed: a row for each layer as soon as it is known. */
export function useCross(run: string) {
  const { work: cross, start, stop } = useWork(["work", run, "cross"], NOTHING, fold);
  return { cross, start: (mode: string) => start(`/api/runs/${run}/cross${mode ? `?mode=${mode}` : ""}`), stop };
}
