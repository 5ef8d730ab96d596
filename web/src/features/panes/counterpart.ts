/** The layer of another model that stands for one: of the same name, or as far on in the whole. */
export function counterpart(layer: string, of: string[], among: string[]): string {
  if (among.includes(layer)) return layer;
  const at = of.indexOf(layer);
  if (at < 0 || among.length === 0) return "";
  const share = of.length > 1 ? at / (of.length - 1) : 0;
  return among[Math.round(share * (among.length - 1))] ?? "";
}
