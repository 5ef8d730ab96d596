// Paths as the console keeps them: folder/name.

import type { UserFile } from "./api";

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

export function join(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}

/** What lies in a folder itself: folders first, each by name. */
export function inFolder(files: UserFile[], folder: string): UserFile[] {
  return files
    .filter((file) => folderOf(file.path) === folder)
    .sort((a, b) => Number(b.is_folder) - Number(a.is_folder) || a.path.localeCompare(b.path));
}

/** A folder and all that it lies in, the outermost first, as names and paths. */
export function trail(folder: string): { name: string; path: string }[] {
  if (!folder) return [];
  const names = folder.split("/");
  return names.map((name, n) => ({ name, path: names.slice(0, n + 1).join("/") }));
}
