import { useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { formatNumber } from "../../lib/format";
import { type Edit, type Part, useTensor } from "./api";
import { editOf, numberTyped, sliceOf, within } from "./tensor-slices";

/** A part of a tensor as a table whose cells can be changed. */
export function TensorTable({
  run,
  layer,
  part,
  shape,
  onEdit,
}: {
  run: string;
  layer: string;
  part: Part;
  shape: number[];
  onEdit: (edit: Edit) => void;
}) {
  const [channel, setChannel] = useState(0);
  const [page, setPage] = useState(0);
  const slice = sliceOf(shape, channel, page);
  const tensor = useTensor(run, layer, part, slice.first, slice.count);
  return (
    <div className="stack">
      <div className="row">
        {shape.length > 1 && (
          <label>
            Output channel
            <input
              type="number"
              min={0}
              max={(shape[0] ?? 1) - 1}
              value={channel}
              onChange={(event) => {
                setChannel(within(event.target.value, 0, (shape[0] ?? 1) - 1));
                setPage(0);
              }}
            />
          </label>
        )}
        {slice.pages > 1 && (
          <label>
            Page, of {slice.pages}
            <input
              type="number"
              min={1}
              max={slice.pages}
              value={page + 1}
              onChange={(event) => setPage(within(event.target.value, 1, slice.pages) - 1)}
            />
          </label>
        )}
      </div>
      <ErrorNote error={tensor.error} />
      <div className="scroll tensor" tabIndex={0} role="region" aria-label={`${part} of ${layer}`}>
        <table>
          <tbody>
            {slice.rows.map((row) => (
              <tr key={row.first}>
                <th scope="row" className="number">
                  {row.name}
                </th>
                {row.places.map((place, column) => {
                  const value = tensor.data?.values[row.first - slice.first + column];
                  return (
                    <td key={place.join()}>
                      <Cell
                        key={value}
                        label={`${part} at ${place.join(", ")}`}
                        value={value}
                        onValue={(changed) => onEdit(editOf(part, layer, place, changed))}
                      />
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="soft small">Type a number and press Enter: the layer runs again with it.</p>
    </div>
  );
}

function Cell({
  label,
  value,
  onValue,
}: {
  label: string;
  value: number | undefined;
  onValue: (value: number) => void;
}) {
  const shown = value === undefined ? "" : formatNumber(value);
  const [text, setText] = useState(shown);
  return (
    <input
      className="cell"
      inputMode="decimal"
      aria-label={label}
      disabled={value === undefined}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => setText(shown)}
      onKeyDown={(event) => {
        if (event.key === "Escape") setText(shown);
        if (event.key !== "Enter") return;
        const changed = numberTyped(text, shown);
        if (changed === undefined) setText(shown);
        else onValue(changed);
      }}
    />
  );
}
