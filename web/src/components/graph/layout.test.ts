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
  const { places, lines } = layOutNames(["input", "a", "b", "sum"], ["input a", "a b", "b sum", "input sum"]);
  const drawn = pointsOf(lines);
  for (const { y } of [places[1]!, places[2]!]) expect(drawn.filter((point) => point.y === y)).not.toEqual([]);
  expect(behindBoxes(drawn, places)).toEqual([]);
});

test("no line runs behind a box, however many values pass", () => {
  const names = Array.from({ length: 120 }, (_, n) => `n${n}`);
  const lines = names.slice(1).flatMap((name, n) => [...new Set([n, (n * 7) % (n + 1), n >> 1])].map((from) => `n${from} ${name}`));
  const placed = layOutNames(names, lines);
  expect(behindBoxes(pointsOf(placed.lines), placed.places)).toEqual([]);
});

test("a value has one line past a row, whoever reads it below", () => {
  const readers = ["sum", "product", "concat"].map((reader) => `input ${reader}`);
  const { lines } = layOutNames(["input", "a", "sum", "product", "concat"], ["input a", "a sum", "a product", "a concat", ...readers]);
  expect(lines.match(/v/g)).toHaveLength(1);
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
  expect(layOut([], [])).toEqual({ places: [], lines: "" });
});

/** The places by name; a line is the names of its ends. */
function placed(nodes: string[], lines: string[]): Record<string, { x: number; y: number }> {
  const { places } = layOutNames(nodes, lines);
  return Object.fromEntries(nodes.map((node, n) => [node, places[n]!]));
}

function layOutNames(nodes: string[], lines: string[]) {
  const edges: Edge[] = lines.map((line) => ({ from: line.split(" ")[0]!, to: line.split(" ")[1]! }));
  return layOut(nodes, edges);
}

interface Point {
  x: number;
  y: number;
}

/** Points along the lines, close together: on each curve, and on what leads straight past a row. */
function pointsOf(lines: string): Point[] {
  return [...lines.matchAll(/M(\S+) (\S+)C(\S+) (\S+) (\S+) (\S+) (\S+) ([^Mv]+)(?:v([^M]+))?/g)].flatMap((found) => {
    const [x0, y0, x1, y1, x2, y2, x3, y3, down = 0] = found.slice(1).map((each) => Number(each ?? 0));
    const curve = Array.from({ length: 21 }, (_, n) => {
      const [t, u] = [n / 20, 1 - n / 20];
      const at = (a: number, b: number, c: number, d: number) =>
        u ** 3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t ** 3 * d;
      return { x: at(x0!, x1!, x2!, x3!), y: at(y0!, y1!, y2!, y3!) };
    });
    return [...curve, { x: x3!, y: y3! + down / 2 }, { x: x3!, y: y3! + down }];
  });
}

function behindBoxes(points: Point[], boxes: Point[]): Point[] {
  return points.filter(({ x, y }) =>
    boxes.some((box) => Math.abs(box.x - x) < NODE_WIDTH_PX / 2 && Math.abs(box.y - y) < NODE_HEIGHT_PX / 2 - 1e-6),
  );
}
