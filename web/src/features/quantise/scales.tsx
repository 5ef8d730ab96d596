import { useMemo } from "react";

import { type Column, SortableTable } from "../../components/sortable-table";
import { WorkStatus } from "../../components/work-status";
import { formatPercent } from "../../lib/format";
import { useRuns } from "../runs/api";
import { type ComparedLayer, SCALE_FIGURES, wordsOf } from "./scale-figures";
import { type Compared, useComparison } from "./use-calibration";

/** The scales of two variants, layer by layer, and how far apart their codes and answers are. */
export function Scales({ run, pictures }: { run: string; pictures: string[] }) {
  const runs = useRuns();
  const { work, compare, stop } = useComparison(run);
  const model = runs.data?.find((each) => each.id === run)?.model;
  const others = (runs.data ?? [])
    .filter((each) => each.can_step && each.id !== run)
    .sort((one, other) => Number(other.model === model) - Number(one.model === model)); // a variant may have another name
  if (others.length === 0) return null;
  return (
    <section className="card stack" aria-label="Scales of two variants">
      <h2>Scales of two variants</h2>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          void compare({ other: String(new FormData(event.currentTarget).get("other")), pictures });
        }}
      >
        <label>
          This one against
          <select name="other">
            {others.map((each) => (
              <option key={each.id} value={each.id}>
                {each.model}, {each.mode}, {each.picture_name}
              </option>
            ))}
          </select>
        </label>
        <button disabled={work && !work.isOver}>Compare</button>
        <span className="soft small">
          on {pictures.length > 0 ? `the ${pictures.length} held-out pictures` : "this run’s picture"}
        </span>
      </form>
      <WorkStatus work={work} label="Comparing" onStop={stop} />
      {work?.found && <Answers of={work.found} />}
      {work?.found && <ScaleTable rows={work.found.layers} />}
    </section>
  );
}

function Answers({ of }: { of: Compared }) {
  return (
    <p className="note" role="status">
      {formatPercent(of.agreement)} of the answers are the same; by their margins, {of.points_lost.toFixed(1)} of 100 are lost.
    </p>
  );
}

function ScaleTable({ rows }: { rows: ComparedLayer[] }) {
  const columns = useMemo<Column<ComparedLayer>[]>(
    () => [
      { name: "Layer", isName: true, value: (row) => rows.indexOf(row), show: (row) => row.layer },
      ...SCALE_FIGURES.map((figure) => ({
        name: figure.name,
        highFirst: figure.highFirst,
        isNumber: true,
        value: (row: ComparedLayer) => figure.value(row) ?? undefined,
        show: (row: ComparedLayer) => wordsOf(figure, row),
      })),
    ],
    [rows],
  );
  return <SortableTable label="Scales by layer" columns={columns} rows={rows} keyOf={(row) => row.layer} />;
}
