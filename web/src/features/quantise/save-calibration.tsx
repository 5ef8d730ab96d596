import { formatTime } from "../../lib/format";
import { keepPage, savedPage } from "../../lib/saved-page";
import type { Run } from "../runs/api";
import { tally } from "./candidates";
import { type NamedErrors, savedTables } from "./saved-calibration";
import { type Calibrated, useComparison, useErrors } from "./use-calibration";

/** All that the page has found by now, as a file that opens without the console. */
export function SaveCalibration({ run, calibrated }: { run: Run; calibrated: Calibrated }) {
  const seen = useErrors(run.id, "seen").work?.found;
  const heldOut = useErrors(run.id, "held out").work?.found;
  const compared = useComparison(run.id).work?.found;
  function save() {
    const measured: NamedErrors[] = [
      ...(seen ? [{ name: "calibration pictures", of: seen }] : []),
      ...(heldOut ? [{ name: "held-out pictures", of: heldOut }] : []),
    ];
    const sentences = [
      `Weights: ${tally(calibrated.weights)}. Values: ${tally(calibrated.values)}.`,
      ...(calibrated.auto ? [calibrated.auto] : []),
      `Written ${formatTime(new Date().toISOString())}.`,
    ];
    const page = savedPage(`Quantise ${run.model}`, sentences, savedTables(calibrated, measured, compared));
    keepPage(`quantise-${run.model}`, page);
  }
  return (
    <button type="button" onClick={save}>
      Save as HTML
    </button>
  );
}
