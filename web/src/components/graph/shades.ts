// How the layers of a graph are coloured, and the legend that says so.

import type { Schema } from "../../lib/api";
import { formatDecibel, formatMilliseconds, formatPercent } from "../../lib/format";

type Layer = Schema<"LayerBody">;

export interface Shades {
  /** The class of each colour, and what it means. */
  legend: [string, string][];
  shadeOf: (layer: Layer) => string;
  /** What stands below a layer's name. */
  noteOf: (layer: Layer) => string;
}

const KINDS: [string, RegExp][] = [
  ["convolution", /^conv/i],
  ["fully connected", /^linear/i],
  ["normalisation", /norm/i],
  ["pooling", /pool/i],
  ["sum, product, concatenation", /^(add|mul|concat)/i],
  ["activation", /^(activate|softmax)/i],
  ["detections", /^(yolo|region)/i],
  ["shape", /./],
];
const kindOf = (layer: Layer) => KINDS.findIndex(([, pattern]) => pattern.test(layer.operation));
const describe = (layer: Layer) => `${layer.operation} · ${layer.shape.join(" × ")}`;

export const BY_KIND: Shades = {
  legend: KINDS.map(([name], n) => [`shade hue-${n}`, name]),
  shadeOf: (layer) => `shade hue-${kindOf(layer)}`,
  noteOf: describe,
};

const PRECISIONS = ["float", "hybrid", "int8"];

export const BY_PRECISION: Shades = {
  legend: PRECISIONS.map((name, n) => [`shade hue-${n}`, name]),
  shadeOf: ({ precision }) => (PRECISIONS.includes(precision) ? `shade hue-${PRECISIONS.indexOf(precision)}` : ""),
  noteOf: (layer) => (layer.precision === "unspecified" ? layer.operation : `${layer.operation} · ${layer.precision}`),
};

const GOOD_DB = [40, 30, 20, 10];

/** Signal to noise of what each layer passes on, by name. */
export function byError(decibels: Map<string, number>): Shades {
  return {
    legend: [
      ["shade heat-0", "40 dB and better"],
      ["shade heat-1", "30 to 40 dB"],
      ["shade heat-2", "20 to 30 dB"],
      ["shade heat-3", "10 to 20 dB"],
      ["shade heat-4", "below 10 dB"],
    ],
    shadeOf: ({ name }) => heat(decibels.get(name), (value) => GOOD_DB.filter((least) => value < least).length),
    noteOf: ({ name, operation }) => noted(operation, decibels.get(name), formatDecibel),
  };
}

const SHARES = [0.01, 0.02, 0.05, 0.1];

/** Milliseconds of each layer, by name. */
export function byTime(milliseconds: Map<string, number>): Shades {
  const all = [...milliseconds.values()].reduce((sum, value) => sum + value, 0) || 1;
  return {
    legend: [
      ["shade heat-0", `below ${formatPercent(0.01)} of the time`],
      ["shade heat-1", "1 to 2 %"],
      ["shade heat-2", "2 to 5 %"],
      ["shade heat-3", "5 to 10 %"],
      ["shade heat-4", "10 % and more"],
    ],
    shadeOf: ({ name }) => heat(milliseconds.get(name), (value) => SHARES.filter((least) => value / all >= least).length),
    noteOf: ({ name, operation }) => noted(operation, milliseconds.get(name), formatMilliseconds),
  };
}

function heat(value: number | undefined, levelOf: (value: number) => number): string {
  return value === undefined ? "" : `shade heat-${levelOf(value)}`;
}

function noted(operation: string, value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? operation : `${operation} · ${format(value)}`;
}
