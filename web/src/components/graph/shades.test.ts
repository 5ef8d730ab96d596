import { expect, test } from "vitest";

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
