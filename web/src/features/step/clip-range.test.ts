import { expect, test } from "vitest";

import { moved, rangeOf, shownRange } from "./clip-range";

test("a range is what codes 0 to 255 stand for", () => {
  expect(rangeOf({ scale: 0.5, zero_point: 55 })).toEqual({ low: -27.5, high: 100 });
});

test("what is shown leaves room for a wider range", () => {
  expect(shownRange({ low: 0, high: 4 }, [0.5, 3])).toEqual({ low: -1, high: 5 });
  expect(shownRange({ low: 0, high: 4 }, [-9, 9])).toEqual({ low: -9, high: 9 });
});

test("an end moves, but not beyond zero, and never onto the other", () => {
  expect(moved({ low: -1, high: 4 }, "high", 3, 0.1)).toEqual({ low: -1, high: 3 });
  expect(moved({ low: -1, high: 4 }, "high", -2, 0.1)).toEqual({ low: -1, high: 0 });
  expect(moved({ low: 0, high: 4 }, "high", -2, 0.1)).toEqual({ low: 0, high: 4 });
});
