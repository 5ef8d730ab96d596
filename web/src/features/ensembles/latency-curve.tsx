import { useCallback } from "react";

import { type Colours, Plot } from "../../components/plot";
import type { Seen } from "./history";

const HEIGHT_PX = 180;

/** Latency over the last minutes, against the deadline. */
export function LatencyCurve({ seen, deadlineMs }: { seen: Seen[]; deadlineMs: number }) {
  const draw = useCallback(
    ({ of, axis }: Colours) => {
      const line = (label: string, stroke: string, dash?: number[]) => ({ label, stroke: of(stroke), width: 2, dash });
      return {
        options: {
          axes: [axis, { ...axis, label: "ms", labelSize: 22 }],
          scales: { y: { range: (_: unknown, __: number, most: number): [number, number] => [0, Math.max(most || 1, 1)] } },
          series: [{}, line("p50", "--accent"), line("p95", "--warm", [6, 4]), line("deadline", "--danger", [2, 4])],
        },
        data: [
          seen.map((each) => each.atS),
          seen.map((each) => each.p50Ms),
          seen.map((each) => each.p95Ms),
          seen.map(() => deadlineMs),
        ] satisfies (number | null)[][] as [number[], ...(number | null)[][]],
      };
    },
    [seen, deadlineMs],
  );
  return <Plot className="curve" label="Latency lately, against the deadline" heightPx={HEIGHT_PX} draw={draw} />;
}
