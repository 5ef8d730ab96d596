import { useQueryClient } from "@tanstack/react-query";

import type { Schema } from "../../lib/api";
import { useWork } from "../../lib/use-work";
import type { Measured } from "../model/use-report";

export type Calibrated = Schema<"CalibratedBody">;

const ALGORITHMS = ["best", "log2-paper", "pow2", "minmax", "percentile", "mse", "kl"] as const;
export { ALGORITHMS };

/** A run's model calibrated: what every algorithm did to every layer. */
export function useCalibration(run: string) {
  const queries = useQueryClient();
  const { work, start, stop } = useWork<Calibrated | null, Schema<"CalibrateEvent">>(
    ["calibration", run],
    null,
    (before, { calibrated }) => calibrated ?? before,
  );
  async function calibrate(body: Schema<"CalibrationStart">) {
    const forget = () => queries.removeQueries({ queryKey: ["work", run] }); // it was measured with other integers
    forget();
    await start(`/api/runs/${run}/calibration`, body);
    forget(); // what was being measured came to its end before the calibration began
    await queries.invalidateQueries({ queryKey: ["step", run] });
  }
  return { work, calibrate, stop };
}

export type Compared = Schema<"ComparedBody">;

/** The model beside another run's, layer by layer. */
export function useComparison(run: string) {
  const { work, start, stop } = useWork<Compared | null, Schema<"CompareEvent">>(
    ["work", run, "comparison"],
    null,
    (before, { compared }) => compared ?? before,
  );
  return { work, compare: (body: Schema<"ComparisonStart">) => start(`/api/runs/${run}/comparison`, body), stop };
}

/** The model measured on some pictures; `which` tells several of these apart. */
export function useErrors(run: string, which: string) {
  const { work, start, stop } = useWork<Measured | null, Schema<"ReportEvent">>(
    ["work", run, "report", which],
    null,
    (before, { measured }) => measured ?? before,
  );
  return { work, measure: (pictures: string[]) => start(`/api/runs/${run}/report`, { pictures }), stop };
}
