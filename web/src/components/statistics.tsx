import type { Schema } from "../lib/api";
import { formatNumber, formatPercent } from "../lib/format";

/** A tensor in figures. */
export function Statistics({ of }: { of: Schema<"StatisticsBody"> }) {
  const rows: [string, string][] = [
    ["lowest", formatNumber(of.low)],
    ["highest", formatNumber(of.high)],
    ["mean", formatNumber(of.mean)],
    ["deviation", formatNumber(of.std)],
    ["zeros", formatPercent(of.zero_fraction)],
  ];
  if (of.clipped != null) rows.push(["clipped", String(of.clipped)]);
  return <Facts rows={rows} />;
}

/** Names and values. */
export function Facts({ rows }: { rows: [string, React.ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
