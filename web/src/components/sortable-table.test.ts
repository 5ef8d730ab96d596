import { expect, test } from "vitest";

import { type Column, sort } from "./sortable-table";

const column: Column<{ name: string; ms?: number }> = { name: "ms", value: (row) => row.ms, show: (row) => row.name };
const rows = [{ name: "a", ms: 2 }, { name: "b" }, { name: "c", ms: 9 }, { name: "d", ms: 1 }];
const order = (highFirst: boolean) => sort(rows, column, highFirst).map((row) => row.name).join("");

test("rows are sorted either way, and those without a value come last", () => {
  expect(order(false)).toBe("dacb");
  expect(order(true)).toBe("cadb");
  expect(sort(rows, undefined, true)).toBe(rows);
});
