import { NavLink } from "react-router";

import { ErrorNote } from "../components/error-note";
import { type Account, useLogOut } from "../features/account/api";
import { useTheme } from "../lib/theme";

const PAGES = [
  ["/runs", "Runs"],
  ["/files", "Files"],
  ["/augment", "Augment"],
  ["/ensembles", "Ensembles"],
  ["/pipelines", "Pipelines"],
] as const;

/** What is around every page of somebody who is logged in. */
export function Shell({ account, children }: { account: Account; children: React.ReactNode }) {
  const [theme, nextTheme] = useTheme();
  const logOut = useLogOut();
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="top">
        <span className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          Strata
        </span>
        <nav aria-label="Pages">
          {PAGES.map(([to, name]) => (
            <NavLink key={to} to={to}>
              {name}
            </NavLink>
          ))}
        </nav>
        <span className="grow" />
        <button type="button" className="quiet" onClick={nextTheme} aria-label={`Colours: ${theme}`} title={`Colours: ${theme}`}>
          {{ system: "◐", light: "☀", dark: "☾" }[theme]}
        </button>
        <span className="user">{account.name}</span>
        <button type="button" className="quiet" onClick={() => logOut.mutate()}>
          Log out
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <ErrorNote error={logOut.error} />
        {children}
      </main>
    </>
  );
}
