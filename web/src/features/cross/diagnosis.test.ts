import { expect, test } from "vitest";

import { type Crossing, diagnose, shares } from "./diagnosis";

function row(layer: string, own_db: number): Crossing {
  return { layer, precision: "int8", own_db, inherited_db: 40, total_db: 30 };
}

test("a layer that adds most of the error is named", () => {
  const found = diagnose([row("a", 40), row("b", 10), row("c", 40)]);
  expect(found.worst?.layer).toBe("b");
  expect(found.words).toMatch(/^One bad layer: b adds 100 %/);
});

test("many equal errors are diffuse", () => {
  const rows = ["a", "b", "c", "d", "e", "f", "g", "h"].map((layer) => row(layer, 30));
  expect(diagnose(rows).words).toMatch(/^Diffuse: no layer adds more than 13 %.* the worst 5 add 63 %/);
});

test("exact layers have no share, and a model of them has no fault", () => {
  expect(shares([row("a", 200), row("b", 20)]).get("a")).toBe(0);
  expect(diagnose([row("a", 200)]).words).toBe("Integers lose nothing: every layer is exact.");
});
