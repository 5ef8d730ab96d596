import { expect, test } from "vitest";

import { frameOf } from "./frame";

test("a box stands around its middle", () => {
  expect(frameOf({ x: 0.5, y: 0.4, width: 0.2, height: 0.4 })).toEqual({ left: "40%", top: "20%", width: "20%", height: "40%" });
});

test("a box that reaches beyond the picture ends at its edge, and its other side stays", () => {
  expect(frameOf({ x: 0.1, y: 0.95, width: 0.4, height: 0.2 })).toEqual({ left: "0%", top: "85%", width: "30%", height: "15%" });
});
