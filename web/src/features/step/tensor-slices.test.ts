import { expect, test } from "vitest";

import { editOf, numberTyped, sliceOf, within } from "./tensor-slices";

test("a page of weights begins at its channel and row, and each cell knows its place", () => {
  const slice = sliceOf([8, 40, 3, 3], 2, 1);
  expect([slice.first, slice.count, slice.pages]).toEqual([(2 * 40 + 32) * 9, 8 * 9, 2]);
  expect(slice.rows[0]?.places[5]).toEqual([2, 32, 1, 2]);
  expect(slice.rows[1]?.first).toBe((2 * 40 + 33) * 9);
});

test("a vector and a matrix have their own tables", () => {
  expect(sliceOf([10], 0, 0).rows[9]).toEqual({ name: "9", first: 9, places: [[9]] });
  expect(sliceOf([10, 4], 3, 0).rows[1]).toEqual({ name: "1", first: 13, places: [[3, 1]] });
});

test("a changed scale is its channel's", () => {
  expect(editOf("scales", "c", [7], 0.5)).toEqual({ kind: "scale", layer: "c", channel: 7, scale: 0.5 });
  expect(editOf("bias", "c", [7], 0.5)).toEqual({ kind: "bias", layer: "c", place: [7], values: [0.5] });
});

test("only a number that somebody has typed is one: what stood there was rounded", () => {
  expect(numberTyped("0,5", "0.1235")).toBe(0.5);
  for (const text of ["0.1235", " ", "1e999", "x"]) expect(numberTyped(text, "0.1235")).toBeUndefined();
});

test("a channel that is typed is whole and there", () => {
  expect(["-3", "1.9", "12", ""].map((text) => within(text, 0, 7))).toEqual([0, 1, 7, 0]);
});
