import { expect, test } from "vitest";

import { algorithmsOf, candidateOf, type Choice, tally } from "./candidates";

const tried = (algorithm: string, output_sqnr_db: number) => ({
  ...{ algorithm, output_sqnr_db, scale: 1, zero_point: 0, clipped_fraction: 0, sqnr_db: 0, cosine: 1, kl_nats: 0 },
});
const CHOICES: Choice[] = [
  { name: "a", algorithm: "mse", reason: "", candidates: [tried("minmax", 20), tried("mse", 30)] },
  { name: "b", algorithm: "mse", reason: "", candidates: [tried("mse", 31), tried("kl", 3)] },
  { name: "c", algorithm: "kl", reason: "", candidates: [tried("kl", 9)] },
];

test("algorithms stand side by side, also where some were not tried on every layer", () => {
  expect(algorithmsOf(CHOICES)).toEqual(["minmax", "mse", "kl"]);
  expect(candidateOf(CHOICES[0]!, "mse")?.output_sqnr_db).toBe(30);
  expect(candidateOf(CHOICES[2]!, "mse")).toBeUndefined();
});

test("what was taken is counted, the most taken first", () => {
  expect(tally(CHOICES)).toBe("mse 2, kl 1");
});
