import { type ReactNode, useDeferredValue, useMemo, useState } from "react";

export interface Column<Row> {
  name: string;
  /** What the rows are sorted by; rows without it come last. */
  value: (row: Row) => number | string | undefined;
  show: (row: Row) => ReactNode;
  isNumber?: boolean;
  /** Where the first click puts the highest on top. */
  highFirst?: boolean;
  /** What the rows are, such as a layer's name: the cell is a header. */
  isName?: boolean;
}

/** How many rows are there at once: as many as a window shows. */
const FIRST_ROWS = 60;

/** Rows that a click on a column's name sorts, and a second one the other way; at first in the order given. */
export function SortableTable<Row>({
  label,
  columns,
  rows,
  keyOf,
  isHere = () => false,
}: {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  isHere?: (row: Row) => boolean;
}) {
  const [order, setOrder] = useState<{ name: string; highFirst: boolean } | null>(null);
  const column = columns.find((each) => each.name === order?.name);
  const sorted = useMemo(() => sort(rows, column, order?.highFirst ?? false), [rows, column, order]);
  // All of a thousand rows at once would keep the page from answering for longer.
  const shown = useDeferredValue(sorted, sorted.slice(0, FIRST_ROWS));
  const choose = ({ name, highFirst = false }: Column<Row>) =>
    setOrder(order?.name === name ? { name, highFirst: !order.highFirst } : { name, highFirst });
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((each) => (
              <th
                key={each.name}
                scope="col"
                className={each.isNumber ? "number" : undefined}
                aria-sort={each !== column ? "none" : order?.highFirst ? "descending" : "ascending"}
              >
                <button type="button" className="link" onClick={() => choose(each)}>
                  {each.name}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={keyOf(row)} className={isHere(row) ? "here" : undefined}>
              {columns.map((each) =>
                each.isName ? (
                  <th key={each.name} scope="row">
                    {each.show(row)}
                  </th>
                ) : (
                  <td key={each.name} className={each.isNumber ? "number" : undefined}>
                    {each.show(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function sort<Row>(rows: Row[], column: Column<Row> | undefined, highFirst: boolean): Row[] {
  if (!column) return rows;
  const sign = highFirst ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [column.value(one), column.value(other)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
}
