import { expect, test } from "vitest";

import { dataOf } from "./event-data";

test("an event's data is joined, and a comment has none", () => {
  expect(dataOf('event: x\ndata: {"a":\ndata: 1}')).toBe('{"a":\n1}');
  expect(dataOf(": ping")).toBeNull();
});
