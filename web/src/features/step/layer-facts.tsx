import { Facts } from "../../components/statistics";
import type { Schema } from "../../lib/api";
import { formatNumber } from "../../lib/format";

/** What a layer is made with, in words and numbers. */
export function LayerFacts({ card, more = [] }: { card: Schema<"CardBody">; more?: [string, string][] }) {
  const { layer } = card;
  const rows: [string, string][] = Object.entries(card.parameters);
  if (layer.precision !== "unspecified") rows.push(["runs in", layer.precision]);
  if (layer.parameters) rows.push(["parameters", layer.parameters.toLocaleString("en")]);
  if (layer.qparams) {
    rows.push(["scale", formatNumber(layer.qparams.scale)], ["zero point", String(layer.qparams.zero_point)]);
  }
  return <Facts rows={[...rows, ...more]} />;
}
