// Which runs stand side by side, in the page's address.

export const MOST_PANES = 4;

export function panesAddress(runs: string[]): string {
  return `/panes?${new URLSearchParams(runs.map((run) => ["run", run]))}`;
}
