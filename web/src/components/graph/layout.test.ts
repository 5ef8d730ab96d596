import { expect, test } from "vitest";

import { type Edge, layOut, NODE_HEIGHT_PX, NODE_WIDTH_PX } from "./layout";

test("a layer lies below those whose values it reads, and beside its sisters", () => {
  const { input, a, b, sum } = placed(["input", "a", "b", "sum"], ["input a", "input b", "a sum", "b sum"]);
  expect(input!.y).toBeLessThan(a!.y);
  expect(a!.y).toBe(b!.y);
  expect(a!.x).not.toBe(b!.x);
  expect(sum!.y).toBeGreaterThan(b!.y);
});

test("branches that are given in turns stand apart, each straight, and their lines do not cross", () => {
  const names = ["input", "a1", "b1", "b2", "a2", "a3", "b3", "sum"];
  const lines = ["input a1", "input b1", "a1 a2", "b1 b2", "a2 a3", "b2 b3", "b3 sum", "a3 sum"];
  const { a1, a2, a3, b1, b2, b3 } = placed(names, lines);
  expect([a2!.x, a3!.x]).toEqual([a1!.x, a1!.x]);
  expect([b2!.x, b3!.x]).toEqual([b1!.x, b1!.x]);
});

test("rows are put in the order in which the fewest lines cross", () => {
  const { a, b, c, d } = placed(["a", "b", "c", "d"], ["a d", "b c"]);
  expect(Math.sign(a!.x - b!.x)).toBe(Math.sign(d!.x - c!.x));
});

test("a value that is read far below goes past the layers between, not through them", () => {
  const { input, a, b, sum } = placed(["input", "a", "b", "sum"], ["input a", "a b", "b sum", "input sum"]);
  for (const between of [a!, b!]) {
    const line = input!.x + ((sum!.x - input!.x) * (between.y - input!.y)) / (sum!.y - input!.y);
    expect(Math.abs(between.x - line)).toBeGreaterThan(NODE_WIDTH_PX / 2);
  }
});

test("what one layer reads is prepared just above it", () => {
  const { c, weights, sum } = placed(["weights", "a", "b", "c", "sum"], ["a b", "b c", "c sum", "weights sum"]);
  expect(weights!.y).toBe(c!.y);
  expect(sum!.y).toBeGreaterThan(c!.y);
});

test("no layer covers another, however many read one", () => {
  const readers = Array.from({ length: 40 }, (_, n) => `reader${n}`);
  const lines = readers.flatMap((reader) => [`input ${reader}`, `${reader} sum`]);
  const found = Object.values(placed(["input", ...readers, "sum"], lines));
  for (const [n, one] of found.entries())
    for (const other of found.slice(n + 1)) {
      const apart = Math.abs(one.x - other.x) >= NODE_WIDTH_PX || Math.abs(one.y - other.y) >= NODE_HEIGHT_PX;
      expect(apart).toBe(true);
    }
});

test("nothing is laid out of nothing", () => {
  expect(layOut([], [])).toEqual({ places: [] });
});

/** The places by name; a line is the names of its ends. */
function placed(nodes: string[], lines: string[]): Record<string, { x: number; y: number }> {
  const edges: Edge[] = lines.map((line) => ({ from: line.split(" ")[0]!, to: line.split(" ")[1]! }));
  const { places } = layOut(nodes, edges);
  return Object.fromEntries(nodes.map((node, n) => [node, places[n]!]));
}
