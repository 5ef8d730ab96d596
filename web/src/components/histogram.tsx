import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { Schema } from "../lib/api";
import { formatNumber } from "../lib/format";

const HEIGHT_PX = 150;

/** How many elements lie where. */
export function Histogram({ of, label }: { of: Schema<"HistogramBody">; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const ink = style.getPropertyValue("--ink-soft");
    const axis = { stroke: ink, grid: { stroke: style.getPropertyValue("--line"), width: 1 }, ticks: { show: false } };
    const middles = of.counts.map((_, n) => ((of.edges[n] ?? 0) + (of.edges[n + 1] ?? 0)) / 2);
    const plot = new uPlot(
      {
        width: Math.max(200, element.clientWidth),
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, most || 1] } },
        axes: [
          { ...axis, values: (_, splits) => splits.map(formatNumber) },
          { ...axis, size: 56, values: (_, splits) => splits.map((value) => value.toLocaleString("en", { notation: "compact" })) },
        ],
        series: [
          {},
          {
            fill: style.getPropertyValue("--accent-fill"),
            stroke: style.getPropertyValue("--accent"),
            width: 1,
            paths: uPlot.paths.bars?.({ size: [1], gap: 0 }),
            points: { show: false },
          },
        ],
      },
      [middles, of.counts],
      element,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [of]);
  const all = of.counts.reduce((sum, count) => sum + count, 0);
  const summary = `${label}: histogram of ${all} elements from ${formatNumber(of.edges[0] ?? 0)} to ${formatNumber(of.edges.at(-1) ?? 0)}`;
  return <div className="histogram" ref={place} role="img" aria-label={summary} />;
}
