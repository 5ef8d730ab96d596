// Light or dark: as the system has it, until the reader chooses.

import { useEffect, useState } from "react";

export type Theme = "system" | "light" | "dark";

const KEY = "strata-theme";
const THEMES: Theme[] = ["system", "light", "dark"];

const dark = window.matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", showTheme);

/** Colour the page as chosen; once before anything is drawn. */
export function showTheme(): void {
  const chosen = chosenTheme();
  document.documentElement.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
}

function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEY) as Theme;
  return THEMES.includes(kept) ? kept : "system";
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  useEffect(() => {
    localStorage.setItem(KEY, theme);
    showTheme();
  }, [theme]);
  const next = () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system");
  return [theme, next];
}
