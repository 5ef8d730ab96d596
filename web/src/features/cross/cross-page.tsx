import { useMemo, useState } from "react";
import { useParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { type Column, SortableTable } from "../../components/sortable-table";
import { formatDecibel, formatPercent } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { useRun } from "../runs/api";
import { RunHead } from "../runs/run-head";
import { useOpenStep } from "../step/use-open-step";
import { type Crossing, diagnose, shares } from "./diagnosis";
import { ErrorCurve } from "./error-curve";
import { useCross } from "./use-cross";

const NONE: Crossing[] = [];

/** Which layers lose what integers lose. */
export default function CrossPage() {
  const { run = "" } = useParams();
  const found = useRun(run);
  const { cross, start } = useCross(run);
  const rows = cross?.found ?? NONE;
  const { open, error } = useOpenStep(run);
  const [mode, setMode] = useState("int8");
  useTitle(found.data ? `Cross ${found.data.model}` : "Cross");
  const diagnosis = useMemo(() => (cross?.isOver && rows.length > 0 ? diagnose(rows) : null), [cross, rows]);

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
          <p role="status">
            <progress aria-label="Crossing" /> {rows.length} layers
          </p>
        )}
      </form>
      <ErrorNote error={cross?.fault || error} />
      {diagnosis && (
        <p className="note" role="status">
          {diagnosis.words}
        </p>
      )}
      {rows.length > 0 && (
        <>
          <section className="card" aria-label="Error over the layers">
            <ErrorCurve rows={rows} onOpen={open} />
          </section>
          <CrossTable rows={rows} onOpen={open} />
        </>
      )}
    </div>
  );
}

function CrossTable({ rows, onOpen }: { rows: Crossing[]; onOpen: (layer: string) => void }) {
  const columns = useMemo<Column<Crossing>[]>(() => {
    const share = shares(rows);
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
        value: (row) => share.get(row.layer),
        show: (row) => formatPercent(share.get(row.layer) ?? 0),
      },
    ];
  }, [rows, onOpen]);
  return (
    <section className="card">
      <SortableTable label="The layers" columns={columns} rows={rows} keyOf={(row) => row.layer} />
    </section>
  );
}
