import { ErrorNote } from "../../components/error-note";
import type { Schema } from "../../lib/api";
import { formatBytes, formatMoney, formatNumber } from "../../lib/format";
import { useEvents } from "../../lib/use-events";
import { useTitle } from "../../lib/use-title";

type Job = Schema<"JobBody">;

/** The jobs of pipelines as they are now: records, stages, money so far. */
export default function PipelinesPage() {
  useTitle("Pipelines");
  const { data, isBroken } = useEvents<Schema<"PipelinesBody">>("/api/pipelines/events");
  return (
    <div className="stack">
      <h1>Pipelines</h1>
      {isBroken && <p role="status">The way to the console is broken; trying again …</p>}
      {data === null && <p className="soft">Looking …</p>}
      {data?.faults.map((fault) => (
        <ErrorNote key={fault} error={fault} />
      ))}
      {data?.jobs.length === 0 && (
        <p className="soft">
          No job was run here. <code>strata pipeline run MODEL RECORDS --to OUTPUT</code> begins one.
        </p>
      )}
      {data?.jobs.map((job) => (
        <JobCard key={`${job.output} ${job.name}`} job={job} />
      ))}
    </div>
  );
}

function JobCard({ job }: { job: Job }) {
  const { records, currency } = job;
  return (
    <section className="card stack" aria-label={job.name}>
      <div className="row">
        <h2>{job.name}</h2>
        <span className="tag">{job.model}</span>
        <span className="tag">{job.is_over ? "over" : "under way, or stopped"}</span>
        <span className="grow" />
        <strong>{formatMoney(job.money, currency)}</strong>
      </div>
      <p className="row">
        <progress aria-label={`Records of ${job.name}`} value={records ? job.done + job.failed : undefined} max={records ?? undefined} />
        <span>
          {job.done} of {records ?? "?"} records, {job.pictures} pictures{job.failed > 0 && `, ${job.failed} set aside`}
        </span>
      </p>
      <div className="scroll" tabIndex={0} role="region" aria-label={`Stages of ${job.name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              {["Calls", "Seconds", "GB s", "Most memory", "From zero", "Waiting after it", "Cost"].map((heading) => (
                <th key={heading} scope="col" className="number">
                  {heading}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {job.stages.map((stage) => (
              <tr key={stage.name}>
                <th scope="row">{stage.name}</th>
                <td className="number">{stage.requests}</td>
                <td className="number">{formatNumber(stage.seconds)}</td>
                <td className="number">{formatNumber(stage.gb_seconds)}</td>
                <td className="number">{formatBytes(stage.peak_bytes)}</td>
                <td className="number">{stage.cold_starts}</td>
                <td className="number">{stage.waiting}</td>
                <td className="number">{formatMoney(stage.money, currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="soft small">{job.output}</p>
    </section>
  );
}
