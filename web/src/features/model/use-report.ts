import type { Schema } from "../../lib/api";
import { useWork } from "../../lib/use-work";

export type Measured = Schema<"MeasuredBody">;

const fold = (before: Measured | null, { measured }: Schema<"ReportEvent">) => measured ?? before;

/** A run's model measured in every mode and layer by layer. */
export function useReport(run: string) {
  const { work: report, start, stop } = useWork<Measured | null, Schema<"ReportEvent">>(
    ["work", run, "report"],
    null,
    fold,
  );
  return { report, start: () => start(`/api/runs/${run}/report`, { pictures: [] }), stop };
}
