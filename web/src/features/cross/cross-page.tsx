import { useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { formatDecibel, formatPercent } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { useRun } from "../runs/api";
import { useStep } from "../step/api";
import { type Crossing, diagnose, shares } from "./diagnosis";
import { ErrorCurve } from "./error-curve";
import { useCross } from "./use-cross";

type Column = "order" | "own_db" | "inherited_db" | "total_db" | "share";

/** Which layers lose what integers lose. */
export default function CrossPage() {
  const { run = "" } = useParams();
  const found = useRun(run);
  const { cross, start } = useCross(run);
  const step = useStep(run);
  const navigate = useNavigate();
  const [mode, setMode] = useState("int8");
  useTitle(found.data ? `Cross ${found.data.model}` : "Cross");
  const diagnosis = useMemo(() => (cross?.isOver && cross.rows.length > 0 ? diagnose(cross.rows) : null), [cross]);
  const open = (layer: string) =>
    step.mutate({ to: "layer", layer, count: 1 }, { onSuccess: () => navigate(`/runs/${run}/step`) });

  if (found.error) return <ErrorNote error={found.error} />;
  return (
    <div className="stack">
      <div className="row">
        <h1>Cross {found.data?.model}</h1>
        <span className="grow" />
        <Link to={`/runs/${run}/step`}>Step</Link>
        <Link to="/runs">All runs</Link>
      </div>
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
        <button className="primary" disabled={cross !== null && !cross.isOver}>
          Cross
        </button>
        {cross && !cross.isOver && (
          <p role="status">
            <progress
              aria-label="Crossing"
              value={cross.progress?.total ? cross.progress.done : undefined}
              max={cross.progress?.total || undefined}
            />{" "}
            {cross.rows.length} layers
          </p>
        )}
      </form>
      <ErrorNote error={cross?.fault || step.error} />
      {diagnosis && (
        <p className="note" role="status">
          {diagnosis.words}
        </p>
      )}
      {cross && cross.rows.length > 0 && (
        <>
          <section className="card" aria-label="Error over the layers">
            <ErrorCurve rows={cross.rows} onOpen={open} />
          </section>
          <CrossTable rows={cross.rows} onOpen={open} />
        </>
      )}
    </div>
  );
}

const COLUMNS: [Column, string][] = [
  ["order", "Layer"],
  ["own_db", "Adds itself"],
  ["inherited_db", "Was given"],
  ["total_db", "Passes on"],
  ["share", "Share of the error"],
];

function CrossTable({ rows, onOpen }: { rows: Crossing[]; onOpen: (layer: string) => void }) {
  const [column, setColumn] = useState<Column>("order");
  const share = useMemo(() => shares(rows), [rows]);
  const shown = useMemo(() => {
    if (column === "order") return rows;
    if (column === "share") return [...rows].sort((a, b) => (share.get(b.layer) ?? 0) - (share.get(a.layer) ?? 0));
    return [...rows].sort((a, b) => a[column] - b[column]);
  }, [rows, column, share]);
  return (
    <div className="card scroll" tabIndex={0} role="region" aria-label="The layers">
      <table>
        <thead>
          <tr>
            {COLUMNS.map(([key, name]) => (
              <th
                key={key}
                scope="col"
                className={key === "order" ? undefined : "number"}
                aria-sort={column !== key ? "none" : key === "share" ? "descending" : "ascending"}
              >
                <button type="button" className="link" onClick={() => setColumn(key)}>
                  {name}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={row.layer}>
              <th scope="row">
                <button type="button" className="link" onClick={() => onOpen(row.layer)}>
                  {row.layer}
                </button>
              </th>
              <td className="number">{formatDecibel(row.own_db)}</td>
              <td className="number">{formatDecibel(row.inherited_db)}</td>
              <td className="number">{formatDecibel(row.total_db)}</td>
              <td className="number">{formatPercent(share.get(row.layer) ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
