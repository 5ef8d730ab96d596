import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { Crossing } from "./diagnosis";

const HEIGHT_PX = 260;
/** Above it a curve says nothing more; exact is 200. */
const MOST_DB = 80;

/** The error over the layers: what each adds, what it was given, and what it passes on. */
export function ErrorCurve({ rows, onOpen }: { rows: Crossing[]; onOpen: (layer: string) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const open = useRef(onOpen);
  open.current = onOpen;
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name);
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 } };
    const line = (label: string, stroke: string, dash?: number[]) => ({ label, stroke: colour(stroke), width: 2, dash });
    const plot = new uPlot(
      {
        width: Math.max(240, element.clientWidth),
        height: HEIGHT_PX,
        scales: { x: { time: false }, y: { range: (_, least) => [Math.min(0, least), MOST_DB] } },
        axes: [
          { ...axis, label: "layer", labelSize: 22 },
          { ...axis, label: "dB", labelSize: 22 },
        ],
        series: [
          { label: "layer", value: (_, at) => (at == null ? "" : (rows[at]?.layer ?? "")) },
          line("own", "--accent"),
          line("inherited", "--warm", [6, 4]),
          line("total", "--danger"),
        ],
      },
      [
        rows.map((_, n) => n),
        ...(["own_db", "inherited_db", "total_db"] as const).map((key) => rows.map((row) => Math.min(row[key], MOST_DB))),
      ] as uPlot.AlignedData,
      element,
    );
    plot.over.addEventListener("click", () => {
      const row = plot.cursor.idx == null ? undefined : rows[plot.cursor.idx];
      if (row) open.current(row.layer);
    });
    const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(240, element.clientWidth), height: HEIGHT_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [rows]);
  return <div className="curve" ref={place} role="img" aria-label="Error over the layers; the table below has the same" />;
}
