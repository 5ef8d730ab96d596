import { expect, test } from "vitest";

import style from "../../app/style.css?raw";
import graph from "./graph.css?raw";
import type { Schema } from "../../lib/api";
import { BY_KIND, BY_PRECISION, byError, byTime } from "./shades";

const layer = (name: string, operation = "Conv2d"): Schema<"LayerBody"> => ({
  index: 0,
  name,
  operation,
  inputs: [],
  shape: [8, 4, 4],
  precision: "int8",
  parameters: 1,
});

test("each kind of layer has a colour that the legend names", () => {
  for (const [operation, words] of [
    ["Conv2d", "convolution"],
    ["GlobalAvgPool", "pooling"],
    ["Concat", "sum, product, concatenation"],
    ["Reorg", "shape"],
  ]) {
    const shade = BY_KIND.shadeOf(layer("a", operation));
    expect(BY_KIND.legend.find(([name]) => name === shade)?.[1]).toBe(words);
  }
  expect(BY_PRECISION.shadeOf(layer("a"))).toBe("shade hue-2");
});

/** Of a hue in its shade. */
const SHARE = Number(/\.shade \{[^}]*background: color-mix\(in srgb, var\(--hue\) (\d+)%, var\(--card\)\)/.exec(graph)?.[1]) / 100;
/** In light and in dark. */
const CARDS = [...style.matchAll(/--card: (#\w+)/g)].map(([, colour]) => colour!);

test("no two kinds of layers look alike, in light and in dark", () => {
  expect(CARDS).toHaveLength(2);
  for (const card of CARDS) {
    const shades = [...style.matchAll(/\.hue-\d \{\s+--hue: (#\w+)/g)].map(([, hue]) => toLab(mixed(hue!, card)));
    expect(shades).toHaveLength(BY_KIND.legend.length);
    const gaps = shades.flatMap((one, n) => shades.slice(n + 1).map((other) => Math.hypot(...one.map((x, i) => x - other[i]!))));
    expect(Math.min(...gaps)).toBeGreaterThan(0.04); // of Oklab, where 0.02 is just seen
  }
});

const bytesOf = (colour: string) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

function mixed(hue: string, card: string): number[] {
  const under = bytesOf(card);
  return bytesOf(hue).map((byte, n) => (SHARE * byte + (1 - SHARE) * under[n]!) / 255);
}

/** Oklab of a colour of sRGB: https://bottosson.github.io/posts/oklab/ */
function toLab(colour: number[]): number[] {
  const linear = colour.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
  const times = (rows: number[][], values: number[]) =>
    rows.map((row) => row.reduce((sum, each, n) => sum + each * values[n]!, 0));
  const cones = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    linear,
  );
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    cones.map(Math.cbrt),
  );
}

test("the worse a layer's signal, the hotter, and what is not known has no colour", () => {
  const { shadeOf, noteOf } = byError(new Map([["good", 200], ["edge", 40], ["poor", 12], ["bad", -3]]));
  expect(["good", "edge", "poor", "bad"].map((name) => shadeOf(layer(name)))).toEqual(
    [0, 0, 3, 4].map((level) => `shade heat-${level}`),
  );
  expect(shadeOf(layer("unknown"))).toBe("");
  expect(noteOf(layer("poor"))).toBe("Conv2d · 12.0 dB");
});

test("a layer is as hot as its share of the whole time", () => {
  const { shadeOf } = byTime(new Map([["most", 98], ["one", 1], ["little", 0.5], ["rest", 0.5]]));
  expect(["most", "one", "little"].map((name) => shadeOf(layer(name)))).toEqual(
    [4, 1, 0].map((level) => `shade heat-${level}`),
  );
});
