import { expect, test } from "vitest";

import { formatBytes, formatMoney, formatNumber } from "./format";

test("bytes have three digits and no exponent, also where they round up to the next unit", () => {
  const sizes = [0, 999, 1000, 999_499, 999_500, 12_345_678, 999_900_000, 4e9, 2e12];
  expect(sizes.map(formatBytes)).toEqual(["0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "12.3 MB", "1.00 GB", "4.00 GB", "2.00 TB"]);
});

test("a number that JSON does not have is said to be none, and breaks no page", () => {
  expect([12345.6, 1e30, JSON.parse("null") as number, Number.NaN].map(formatNumber)).toEqual(["12350", "1.000e+30", "not finite", "not finite"]);
});

test("money has no exponent: what is below a thousandth stands in millionths", () => {
  expect([0, 0.375, 1.881e-4, 6.3e-5].map((sum) => formatMoney(sum, "USD"))).toEqual(["0 USD", "0.375 USD", "188.1 µUSD", "63 µUSD"]);
});
