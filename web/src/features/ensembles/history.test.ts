import { expect, test } from "vitest";

import { type Ensembles, withSeen } from "./history";

function now(p50_ms: number | null): Ensembles {
  const ensemble = { name: "fashion", rule: "mean", mode: "parallel", deadline_ms: 2000, p50_ms, p95_ms: p50_ms };
  return {
    address: "http://door",
    fault: "",
    under_way: 0,
    ensembles: [{ ...ensemble, answered: 1, refused: 0, lately: 1, money: 0, currency: "USD", members: [] }],
  };
}

test("three minutes of each ensemble are kept, gaps included", () => {
  let seen = withSeen(new Map(), now(10), 1);
  seen = withSeen(seen, now(null), 2);
  seen = withSeen(seen, now(30), 182);
  expect(seen.get("fashion")).toEqual([{ atS: 182, p50Ms: 30, p95Ms: 30 }]);
  expect(withSeen(seen, now(null), 183).get("fashion")?.map((each) => each.p50Ms)).toEqual([30, null]);
});
