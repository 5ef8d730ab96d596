import { useCallback, useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { formatMoney, formatNumber } from "../../lib/format";
import { useEvents } from "../../lib/use-events";
import { useTitle } from "../../lib/use-title";
import { type Ensemble, type Ensembles, type Seen, withSeen } from "./history";
import { LatencyCurve } from "./latency-curve";

/** The ensembles of the installation as they are now: members, latency against the deadline, and what it costs. */
export default function EnsemblesPage() {
  useTitle("Ensembles");
  const [seen, setSeen] = useState(new Map<string, Seen[]>());
  const remember = useCallback((now: Ensembles) => setSeen((before) => withSeen(before, now, Date.now() / 1000)), []);
  const { data, isBroken } = useEvents<Ensembles>("/api/ensembles/events", remember);
  return (
    <div className="stack">
      <h1>Ensembles</h1>
      {isBroken && <p role="status">The way to the console is broken; trying again …</p>}
      {data === null && <p className="soft">Looking …</p>}
      {data?.fault && <ErrorNote error={data.fault} />}
      {data?.address === "" && (
        <p className="soft">
          No ensemble is served here. <code>strata serve start ENSEMBLE.yaml</code> serves one, and this page shows it a
          second later.
        </p>
      )}
      {data?.address && !data.fault && (
        <p className="soft">
          These are the counts of the front door at {data.address} since it started. Requests under way: {data.under_way}.
        </p>
      )}
      {data?.ensembles.map((ensemble) => (
        <EnsembleCard key={ensemble.name} ensemble={ensemble} seen={seen.get(ensemble.name) ?? []} />
      ))}
    </div>
  );
}

function EnsembleCard({ ensemble, seen }: { ensemble: Ensemble; seen: Seen[] }) {
  const { name, currency } = ensemble;
  return (
    <section className="card stack" aria-label={name}>
      <div className="row">
        <h2>{name}</h2>
        <span className="tag">{ensemble.rule}</span>
        <span className="tag">{ensemble.mode}</span>
        <span className="grow" />
        <span className="soft">deadline {ensemble.deadline_ms} ms</span>
      </div>
      <p>
        {ensemble.answered} answered, {ensemble.refused} refused; {formatMoney(ensemble.money, currency)} in all.{" "}
        {ensemble.lately > 0
          ? `Of the last 10 s: ${ensemble.lately} answers, p50 ${milliseconds(ensemble.p50_ms)}, p95 ${milliseconds(ensemble.p95_ms)}.`
          : "No answer in the last 10 s."}
      </p>
      <LatencyCurve seen={seen} deadlineMs={ensemble.deadline_ms} />
      <div className="scroll" tabIndex={0} role="region" aria-label={`Members of ${name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Member</th>
              {["Weight", "Replicas", "Answered", "Missing", "Failed", "From zero", "Mean", "CPU s", "GB s", "Cost"].map(
                (heading) => (
                  <th key={heading} scope="col" className="number">
                    {heading}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {ensemble.members.map((member) => (
              <tr key={member.model}>
                <th scope="row">{member.model}</th>
                <td className="number">{formatNumber(member.weight)}</td>
                <td className="number">{member.replicas ?? "not known"}</td>
                <td className="number">{member.answered}</td>
                <td className="number">{member.missing}</td>
                <td className="number">{member.failed}</td>
                <td className="number">{member.cold_starts}</td>
                <td className="number">{milliseconds(member.mean_ms)}</td>
                <td className="number">{formatNumber(member.cpu_seconds)}</td>
                <td className="number">{formatNumber(member.gb_seconds)}</td>
                <td className="number">{formatMoney(member.money, currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function milliseconds(value: number | null): string {
  return value == null ? "" : `${value.toFixed(1)} ms`;
}
