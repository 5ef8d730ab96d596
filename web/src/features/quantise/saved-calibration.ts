// What the page shows of a calibration, as tables of a file to keep.

import { formatDecibel, formatMilliseconds, formatPercent } from "../../lib/format";
import type { SavedTable } from "../../lib/saved-page";
import type { Measured } from "../model/use-report";
import { algorithmsOf, candidateOf, type Choice } from "./candidates";
import { SCALE_FIGURES, wordsOf } from "./scale-figures";
import type { Calibrated, Compared } from "./use-calibration";

/** What was measured on a set of pictures. */
export interface NamedErrors {
  name: string;
  of: Measured;
}

/** The tables of all that was found: the algorithms always, errors and scales where they were measured. */
export function savedTables(found: Calibrated, measured: NamedErrors[], compared?: Compared | null): SavedTable[] {
  return [
    ...measured.map(errorTable),
    algorithmTable("Algorithms for weights, output SQNR", found.weights),
    algorithmTable("Algorithms for values, SQNR", found.values),
    ...(compared ? [scaleTable(compared)] : []),
  ];
}

function errorTable({ name, of }: NamedErrors): SavedTable {
  return {
    caption: `Answers that are float’s too, on ${of.pictures} ${name}`,
    headings: ["Mode", "Answers", "time"],
    rows: of.modes.map((each) => [each.mode, formatPercent(each.agreement), formatMilliseconds(each.latency_ms)]),
  };
}

function algorithmTable(caption: string, choices: Choice[]): SavedTable {
  const algorithms = algorithmsOf(choices);
  const cell = (choice: Choice, algorithm: string) => {
    const tried = candidateOf(choice, algorithm);
    if (!tried) return "";
    return `${choice.algorithm === algorithm ? "✓ " : ""}${formatDecibel(tried.output_sqnr_db)}`;
  };
  return {
    caption,
    headings: ["Layer", ...algorithms, "Why"],
    rows: choices.map((choice) => [choice.name, ...algorithms.map((each) => cell(choice, each)), choice.reason]),
  };
}

function scaleTable({ layers, agreement, points_lost }: Compared): SavedTable {
  const lost = points_lost.toFixed(1);
  return {
    caption: `Scales of two variants; ${formatPercent(agreement)} of the answers are the same, ${lost} of 100 are lost`,
    headings: ["Layer", ...SCALE_FIGURES.map(({ name }) => name)],
    rows: layers.map((row) => [row.layer, ...SCALE_FIGURES.map((figure) => wordsOf(figure, row))]),
  };
}
