import { useMemo, useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { type Column, SortableTable } from "../../components/sortable-table";
import { useOpenStep } from "../step/use-open-step";
import { algorithmsOf, candidateOf, type Choice, type Figure, FIGURES, tally } from "./candidates";
import type { Calibrated } from "./use-calibration";

/** Every algorithm on every layer, the one taken marked with its reason. */
export function AlgorithmTable({ run, found }: { run: string; found: Calibrated }) {
  const [of, setOf] = useState<"weights" | "values">("weights");
  const [figure, setFigure] = useState<Figure>("output SQNR");
  const { open, error } = useOpenStep(run);
  const choices = found[of];
  const columns = useMemo(() => columnsOf(choices, figure, open), [choices, figure, open]);
  return (
    <section className="card stack" aria-label="Algorithms">
      <h2>Algorithms side by side</h2>
      <div className="row">
        <div className="row" role="group" aria-label="Scales of">
          {(["weights", "values"] as const).map((each) => (
            <button key={each} type="button" aria-pressed={each === of} onClick={() => setOf(each)}>
              {each}
            </button>
          ))}
        </div>
        <label className="choice">
          Show
          <select value={figure} onChange={(event) => setFigure(event.target.value as Figure)}>
            {Object.keys(FIGURES).map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <span className="soft small">Taken: {tally(choices)}.</span>
      </div>
      {found.auto && <p className="note">{found.auto}</p>}
      <ErrorNote error={error} />
      <SortableTable label="Algorithms by layer" columns={columns} rows={choices} keyOf={(choice) => choice.name} />
    </section>
  );
}

function columnsOf(choices: Choice[], figure: Figure, open: (layer: string) => void): Column<Choice>[] {
  const { of, format, highFirst } = FIGURES[figure];
  const valueOf = (choice: Choice, algorithm: string) => {
    const found = candidateOf(choice, algorithm);
    return found && of(found);
  };
  return [
    {
      name: "Layer",
      isName: true,
      value: (choice) => choices.indexOf(choice),
      show: ({ name }) =>
        name === "input" ? (
          name
        ) : (
          <button type="button" className="link" onClick={() => open(name)}>
            {name}
          </button>
        ),
    },
    ...algorithmsOf(choices).map(
      (algorithm): Column<Choice> => ({
        name: algorithm,
        isNumber: true,
        highFirst,
        value: (choice) => valueOf(choice, algorithm),
        show: (choice) => {
          const value = valueOf(choice, algorithm);
          if (value === undefined) return "";
          return choice.algorithm === algorithm ? <strong className="taken">✓ {format(value)}</strong> : format(value);
        },
      }),
    ),
    { name: "Why", value: (choice) => choice.reason, show: (choice) => <span className="small">{choice.reason}</span> },
  ];
}
