import { expect, test } from "vitest";

import { counterpart } from "./counterpart";

const SMALL = ["conv", "pool", "head"];
const LARGE = ["stem", "conv", "a", "b", "out"];

test("a layer of another model is the one of that name, or the one as far on", () => {
  expect(counterpart("conv", SMALL, LARGE)).toBe("conv");
  expect(counterpart("pool", SMALL, LARGE)).toBe("a");
  expect(counterpart("head", SMALL, LARGE)).toBe("out");
  expect(counterpart("out", LARGE, SMALL)).toBe("head");
  expect(counterpart("", SMALL, LARGE)).toBe("");
});
