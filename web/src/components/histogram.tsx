import { useCallback } from "react";
import uPlot from "uplot";

import type { Schema } from "../lib/api";
import { formatNumber } from "../lib/format";
import { type Colours, Plot } from "./plot";

const HEIGHT_PX = 150;
const COMPACT: Intl.NumberFormatOptions = { notation: "compact" };

interface Props {
  of: Schema<"HistogramBody">;
  label: string;
  /** What is shown; by default all of it. */
  from?: number;
  to?: number;
  onDrawn?: (plot: uPlot) => void;
}

/** How many elements lie where. */
export function Histogram({ of, label, from = of.edges[0] ?? 0, to = of.edges.at(-1) ?? 1, onDrawn }: Props) {
  const draw = useCallback(({ of: colour, axis }: Colours) => {
    const middles = of.counts.map((_, n) => ((of.edges[n] ?? 0) + (of.edges[n + 1] ?? 0)) / 2);
    const plain = { ...axis, ticks: { show: false } };
    const options = {
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [from, to] as [number, number] }, y: { range: (_: uPlot, __: number, most: number): [number, number] => [0, most || 1] } },
      axes: [
        { ...plain, values: (_: uPlot, splits: number[]) => splits.map(formatNumber) },
        { ...plain, size: 56, values: (_: uPlot, splits: number[]) => splits.map((each) => each.toLocaleString("en", COMPACT)) },
      ],
      series: [
        {},
        {
          fill: colour("--accent-fill"),
          stroke: colour("--accent"),
          width: 1,
          paths: uPlot.paths.bars?.({ size: [1], gap: 0 }),
          points: { show: false },
        },
      ],
    };
    return { options, data: [middles, of.counts] as uPlot.AlignedData };
  }, [of, from, to]);
  const all = of.counts.reduce((sum, count) => sum + count, 0);
  const summary = `${label}: histogram of ${all} elements from ${formatNumber(of.edges[0] ?? 0)} to ${formatNumber(of.edges.at(-1) ?? 0)}`;
  return <Plot className="histogram" label={summary} heightPx={HEIGHT_PX} draw={draw} onDrawn={onDrawn} />;
}
