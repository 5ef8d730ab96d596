import { expect, test } from "vitest";

import { type NamedErrors, savedTables } from "./saved-calibration";
import type { Calibrated, Compared } from "./use-calibration";

const tried = (algorithm: string, output_sqnr_db: number) => ({
  ...{ algorithm, output_sqnr_db, scale: 1, zero_point: 0, clipped_fraction: 0, sqnr_db: 0, cosine: 1, kl_nats: 0 },
});
const FOUND = {
  weights: [
    { name: "conv", algorithm: "mse", reason: "best", candidates: [tried("minmax", 20), tried("mse", 30)] },
    { name: "head", algorithm: "kl", reason: "asked for", candidates: [tried("kl", 9)] },
  ],
  values: [{ name: "input", algorithm: "minmax", reason: "best", candidates: [tried("minmax", 40)] }],
} as Calibrated;
const ERRORS = { name: "held-out pictures", of: { pictures: 3, modes: [{ mode: "int8", agreement: 0.5, latency_ms: 2 }] } };
const COMPARED = {
  ...{ agreement: 0.75, points_lost: 2 },
  layers: [{ layer: "conv", first: { weight_scale: 0.5 }, second: { qparams: { scale: 2 } }, largest: 3 }],
};

test("every algorithm is kept, the one taken marked, and none where it was not tried", () => {
  const [weights, values] = savedTables(FOUND, []);
  expect(weights?.headings).toEqual(["Layer", "minmax", "mse", "kl", "Why"]);
  expect(weights?.rows).toEqual([
    ["conv", "20.0 dB", "✓ 30.0 dB", "", "best"],
    ["head", "", "", "✓ 9.0 dB", "asked for"],
  ]);
  expect(values?.rows).toEqual([["input", "✓ 40.0 dB", "best"]]);
});

test("errors and scales are kept where they were measured", () => {
  expect(savedTables(FOUND, [])).toHaveLength(2);
  const tables = savedTables(FOUND, [ERRORS as NamedErrors], COMPARED as unknown as Compared);
  expect(tables).toHaveLength(4);
  expect(tables[0]).toMatchObject({ rows: [["int8", "50 %", "2 ms"]] });
  expect(tables[0]?.caption).toContain("3 held-out pictures");
  expect(tables[3]?.caption).toContain("75 % of the answers are the same, 2.0 of 100");
  expect(tables[3]?.rows).toEqual([["conv", "", "2", "0.5", "", "", "", "3", ""]]);
});
