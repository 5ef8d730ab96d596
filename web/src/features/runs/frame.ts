// Where the frame around something that was found stands on the picture.

import type { Schema } from "../../lib/api";

/** What of a box lies on the picture, as CSS has it: at an edge a box can reach beyond. */
export function frameOf({ x, y, width, height }: Pick<Schema<"BoxBody">, "x" | "y" | "width" | "height">) {
  const [left, right] = [inside(x - width / 2), inside(x + width / 2)];
  const [top, bottom] = [inside(y - height / 2), inside(y + height / 2)];
  return { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) };
}

const inside = (share: number) => Math.min(1, Math.max(0, share));
const percent = (share: number) => `${Number((100 * share).toFixed(3))}%`;
