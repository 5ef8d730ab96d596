import { expect, test } from "vitest";

import { layOut } from "./layout";
import { type Arrow, neighbour } from "./neighbours";

const NAMES = ["input", "a", "b", "sum"];
const EDGES = [
  { from: "input", to: "a" },
  { from: "input", to: "b" },
  { from: "a", to: "sum" },
  { from: "b", to: "sum" },
];
const PLACED = layOut(NAMES, EDGES);
const go = (arrow: Arrow, from: string) => NAMES[neighbour(arrow, NAMES.indexOf(from), NAMES, EDGES, PLACED)];

test("up and down follow what reads what", () => {
  expect(go("ArrowUp", "sum")).toMatch(/^[ab]$/);
  expect(go("ArrowDown", "a")).toBe("sum");
  expect(go("ArrowUp", "b")).toBe("input");
});

test("left and right go between sisters, and nowhere at the end of the row", () => {
  const [left, right] = PLACED.places[1]!.x < PLACED.places[2]!.x ? ["a", "b"] : ["b", "a"];
  expect(go("ArrowRight", left)).toBe(right);
  expect(go("ArrowLeft", right)).toBe(left);
  expect(go("ArrowRight", right)).toBe(right);
  expect(go("ArrowDown", "sum")).toBe("sum");
});

test("the first arrow leads to the first layer", () => {
  expect(neighbour("ArrowDown", -1, NAMES, EDGES, PLACED)).toBe(0);
});
