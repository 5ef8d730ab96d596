import { expect, test } from "vitest";

import type { UserFile } from "./api";
import { folderOf, inFolder, join, nameOf, trail } from "./paths";

function file(path: string, is_folder = false): UserFile {
  return { id: path, path, is_folder, size_bytes: 1, created: "2026-11-26T00:00:00Z" };
}

test("a folder shows what lies in it and nothing deeper, folders first", () => {
  const files = [file("b.jpg"), file("a", true), file("a/c.jpg"), file("A.jpg"), file("ab/c.jpg")];
  expect(inFolder(files, "").map((each) => each.path)).toEqual(["a", "A.jpg", "b.jpg"]);
  expect(inFolder(files, "a").map((each) => each.path)).toEqual(["a/c.jpg"]);
});

test("a path is its folder and its name", () => {
  for (const path of ["dog.jpg", "pictures/dog.jpg", "a/b/c"]) expect(join(folderOf(path), nameOf(path))).toBe(path);
});

test("the trail leads from the outermost folder in", () => {
  expect(trail("a/b")).toEqual([
    { name: "a", path: "a" },
    { name: "b", path: "a/b" },
  ]);
  expect(trail("")).toEqual([]);
});
