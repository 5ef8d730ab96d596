import { useEffect } from "react";

/** Let single keys do something, except where somebody types. */
export function useKeys(keys: Record<string, () => unknown>): void {
  useEffect(() => {
    function press(event: KeyboardEvent) {
      const target = event.target as HTMLElement;
      const types = target.closest("input, textarea, select, dialog, [contenteditable]");
      if (types || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    }
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  });
}
