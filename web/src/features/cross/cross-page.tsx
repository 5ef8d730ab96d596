import { useMemo, useState } from "react";
import { useParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { type Column, SortableTable } from "../../components/sortable-table";
import { formatDecibel, formatPercent } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { useRun } from "../runs/api";
import { RunHead } from "../runs/run-head";
import { useOpenStep } from "../step/use-open-step";
import { ErrorCurve } from "./error-curve";
import { type Crossing, useCross } from "./use-cross";

const NONE: Crossing[] = [];
const NO_SHARES = {};

/** Which layers lose what integers lose. */
export default function CrossPage() {
  const { run = "" } = useParams();
  const found = useRun(run);
  const { cross, start, stop } = useCross(run);
  const rows = cross?.found.rows ?? NONE;
  const diagnosis = cross?.found.diagnosis;
  const { open, error } = useOpenStep(run);
  const [mode, setMode] = useState(cross?.found.mode ?? "int8");
  useTitle(found.data ? `Cross ${found.data.model}` : "Cross");

  if (found.error) return <ErrorNote error={found.error} />;
  if (!found.data) return null;
  return (
    <div className="stack">
      <RunHead run={found.data} />
      <form
        className="card row"
        onSubmit={(event) => {
          event.preventDefault();
          start(mode);
        }}
      >
        <label>
          Float against
          <select value={mode} onChange={(event) => setMode(event.target.value)}>
            <option>int8</option>
            <option>hybrid</option>
            <option>auto</option>
          </select>
        </label>
        <button className="primary" disabled={cross && !cross.isOver}>
          Cross
        </button>
        {cross && !cross.isOver && (
          <>
            <p role="status">
              <progress aria-label="Crossing" /> {rows.length} layers
            </p>
            <button type="button" className="link" onClick={stop}>
              Stop
            </button>
          </>
        )}
        {cross && diagnosis && (
          <a className="button" href={`/api/runs/${run}/cross.html?mode=${cross.found.mode}`} download>
            Save as HTML
          </a>
        )}
      </form>
      {!cross && !error && (
        <p className="soft">
          Runs every layer in float and in the other precision over this run’s picture: what each adds to the error, what it
          passes on, and whether one layer is the matter or many.
        </p>
      )}
      <ErrorNote error={cross?.fault || error} />
      {diagnosis && (
        <p className="note" role="status">
          {diagnosis.words}
        </p>
      )}
      {rows.length > 0 && (
        <>
          <section className="card" aria-label="Error over the layers">
            <h2>Float against {cross?.found.mode}</h2>
            <ErrorCurve rows={rows} onOpen={open} />
          </section>
          <CrossTable rows={rows} shares={diagnosis?.shares ?? NO_SHARES} onOpen={open} />
        </>
      )}
    </div>
  );
}

interface CrossTableProps {
  rows: Crossing[];
  /** By layer; of none while the cross is under way. */
  shares: Record<string, number>;
  onOpen: (layer: string) => void;
}

function CrossTable({ rows, shares, onOpen }: CrossTableProps) {
  const columns = useMemo<Column<Crossing>[]>(() => {
    const place = new Map(rows.map((row, n) => [row.layer, n]));
    const decibels = (name: string, key: "own_db" | "inherited_db" | "total_db"): Column<Crossing> => ({
      name,
      isNumber: true,
      value: (row) => row[key],
      show: (row) => formatDecibel(row[key]),
    });
    return [
      {
        name: "Layer",
        isName: true,
        value: (row) => place.get(row.layer),
        show: (row) => (
          <button type="button" className="link" onClick={() => onOpen(row.layer)}>
            {row.layer}
          </button>
        ),
      },
      decibels("Adds itself", "own_db"),
      decibels("Was given", "inherited_db"),
      decibels("Passes on", "total_db"),
      {
        name: "Share of the error",
        isNumber: true,
        highFirst: true,
        value: (row) => shares[row.layer],
        show: (row) => (row.layer in shares ? formatPercent(shares[row.layer] ?? 0) : ""),
      },
    ];
  }, [rows, shares, onOpen]);
  return (
    <section className="card">
      <SortableTable label="The layers" columns={columns} rows={rows} keyOf={(row) => row.layer} />
    </section>
  );
}
