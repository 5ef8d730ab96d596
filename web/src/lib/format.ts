// Numbers as people read them.

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** What a rounded size stands for. */
export function exactBytes(bytes: number): string {
  return `${bytes} bytes`;
}

/** Four significant digits, without an exponent where that is short. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "not finite"; // in JSON such a number is null
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(3);
  return String(Number(value.toPrecision(4)));
}

export function formatPercent(fraction: number): string {
  return `${(100 * fraction).toFixed(fraction < 0.1 ? 1 : 0)} %`;
}

export function formatMilliseconds(value: number): string {
  return `${value < 10 ? Number(value.toPrecision(2)) : value.toFixed(1)} ms`;
}

/** 200 dB is the engine's word for exact. */
export function formatDecibel(value: number): string {
  return value >= 200 ? "exact" : `${value.toFixed(1)} dB`;
}

export function formatTime(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Four significant digits; small sums in millionths, as the command shows them. */
export function formatMoney(value: number, currency: string): string {
  const isSmall = value !== 0 && Math.abs(value) < 1e-3;
  return `${formatNumber(isSmall ? 1e6 * value : value)} ${isSmall ? "µ" : ""}${currency}`.trim();
}
