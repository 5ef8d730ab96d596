import { useCallback, useRef } from "react";
import type uPlot from "uplot";

import { type Colours, Plot } from "../../components/plot";
import type { Crossing } from "./use-cross";

const HEIGHT_PX = 260;
/** Above it a curve says nothing more; exact is 200. */
const MOST_DB = 80;
const KEYS = ["own_db", "inherited_db", "total_db"] as const;

/** The error over the layers: what each adds, what it was given, and what it passes on. */
export function ErrorCurve({ rows, onOpen }: { rows: Crossing[]; onOpen: (layer: string) => void }) {
  const open = useRef(onOpen);
  open.current = onOpen;
  const draw = useCallback(
    ({ of, axis }: Colours) => {
      const line = (label: string, stroke: string, dash?: number[]) => ({ label, stroke: of(stroke), width: 2, dash });
      const options: Omit<uPlot.Options, "width" | "height"> = {
        scales: { x: { time: false }, y: { range: (_, least) => [Math.min(0, least), MOST_DB] } },
        axes: [
          { ...axis, label: "layer", labelSize: 22 },
          { ...axis, label: "dB", labelSize: 22 },
        ],
        series: [
          { label: "layer", value: (_, at) => (at == null ? "" : (rows[at]?.layer ?? "")) },
          line("adds itself", "--accent"),
          line("was given", "--warm", [6, 4]),
          line("passes on", "--danger"),
        ],
        hooks: {
          ready: [
            (plot) =>
              plot.over.addEventListener("click", () => {
                const row = plot.cursor.idx == null ? undefined : rows[plot.cursor.idx];
                if (row) open.current(row.layer);
              }),
          ],
        },
      };
      const data = [rows.map((_, n) => n), ...KEYS.map((key) => rows.map((row) => Math.min(row[key], MOST_DB)))];
      return { options, data: data as uPlot.AlignedData };
    },
    [rows],
  );
  const label = "Error over the layers; the table below has the same";
  return <Plot className="curve" label={label} heightPx={HEIGHT_PX} draw={draw} />;
}
