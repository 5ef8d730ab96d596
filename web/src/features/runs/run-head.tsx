import { Link, NavLink } from "react-router";

import type { Run } from "./api";

const PAGES = ["model", "step", "cross", "quantise"] as const;

/** Whose pages these are, and the others over the same run. */
export function RunHead({ run, children }: { run: Run; children?: React.ReactNode }) {
  return (
    <div className="row head">
      <h1>{run.model}</h1>
      <span className={`tag mode-${run.mode}`}>{run.mode}</span>
      {children}
      <span className="grow" />
      <nav className="tabs" aria-label="This run">
        {PAGES.map((page) => (
          <NavLink key={page} to={`/runs/${run.id}/${page}`}>
            {page[0]?.toUpperCase() + page.slice(1)}
          </NavLink>
        ))}
      </nav>
      <Link to="/runs">All runs</Link>
    </div>
  );
}
