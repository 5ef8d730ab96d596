import { expect, test } from "vitest";

import { layOut } from "./layout";

test("a layer lies below those whose values it reads, and beside its sisters", () => {
  const edges = [
    { from: "input", to: "a" },
    { from: "input", to: "b" },
    { from: "a", to: "sum" },
    { from: "b", to: "sum" },
  ];
  const [input, a, b, sum] = layOut(["input", "a", "b", "sum"], edges).places;
  expect(input!.y).toBeLessThan(a!.y);
  expect(a!.y).toBe(b!.y);
  expect(a!.x).not.toBe(b!.x);
  expect(sum!.y).toBeGreaterThan(b!.y);
});
