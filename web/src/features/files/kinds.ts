// Files by what they hold, as their names say.

import type { UserFile } from "./api";

export function pictures(files: UserFile[] | undefined): UserFile[] {
  return ending(files, /\.(jpe?g|png|webp|bmp|gif)$/i);
}

export function ending(files: UserFile[] | undefined, end: RegExp): UserFile[] {
  return (files ?? []).filter((file) => !file.is_folder && end.test(file.path));
}
