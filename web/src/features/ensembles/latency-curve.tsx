import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { Seen } from "./history";

const HEIGHT_PX = 180;

/** Latency over the last minutes, against the deadline. */
export function LatencyCurve({ seen, deadlineMs }: { seen: Seen[]; deadlineMs: number }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name);
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 } };
    const line = (label: string, stroke: string, dash?: number[]) => ({ label, stroke: colour(stroke), width: 2, dash });
    const width = () => Math.max(240, element.clientWidth);
    const made = new uPlot(
      {
        width: width(),
        height: HEIGHT_PX,
        axes: [axis, { ...axis, label: "ms", labelSize: 22 }],
        scales: { y: { range: (_, __, most) => [0, Math.max(most || 1, 1)] } },
        series: [{}, line("p50", "--accent"), line("p95", "--warm", [6, 4]), line("deadline", "--danger", [2, 4])],
      },
      [[], [], [], []],
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: width(), height: HEIGHT_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, []);
  useEffect(() => {
    plot.current?.setData([
      seen.map((each) => each.atS),
      seen.map((each) => each.p50Ms),
      seen.map((each) => each.p95Ms),
      seen.map(() => deadlineMs),
    ]);
  }, [seen, deadlineMs]);
  return <div className="curve" ref={place} role="img" aria-label="Latency lately, against the deadline" />;
}
