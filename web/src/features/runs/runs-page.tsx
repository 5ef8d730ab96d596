import { Link } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { formatTime } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { type Run, isOver, useRemoveRun, useRunEvents, useRuns } from "./api";
import { Findings, PictureWithBoxes } from "./findings";
import { RunForm } from "./run-form";

export function RunsPage() {
  useTitle("Runs");
  const runs = useRuns();
  return (
    <>
      <h1>Runs</h1>
      <RunForm />
      <ErrorNote error={runs.error} />
      {runs.data?.length === 0 && <p className="soft">Choose a model and a picture, and run it.</p>}
      <ul className="panes" aria-label="Runs, the newest first">
        {runs.data?.map((run) => (
          <RunCard key={run.id} run={run} />
        ))}
      </ul>
    </>
  );
}

const DOING = { waiting: "waiting for its turn", opening: "opening the model", running: "running", done: "", failed: "" };

function RunCard({ run }: { run: Run }) {
  useRunEvents(run);
  const remove = useRemoveRun();
  const title = `${run.model}, ${run.mode}`;
  return (
    <li className="card stack" aria-label={title}>
      <div className="row">
        <h2>{run.model}</h2>
        <span className={`tag mode-${run.mode}`}>{run.mode}</span>
        <span className="grow" />
        {run.result && <strong>{run.result.latency_ms.toFixed(1)} ms</strong>}
      </div>
      <PictureWithBoxes run={run.id} name={run.picture_name} result={run.result ?? null} />
      {!isOver(run) && (
        <p role="status">
          <progress aria-label={`${title} is under way`} /> {DOING[run.state]} …
        </p>
      )}
      <ErrorNote error={run.fault} />
      {run.result && <Findings result={run.result} />}
      <div className="row">
        {run.can_step && (
          <Link className="button" to={`/runs/${run.id}/step`} aria-label={`Step ${title}`}>
            Step
          </Link>
        )}
        <span className="soft small grow">{formatTime(run.created)}</span>
        <button
          type="button"
          className="link"
          disabled={remove.isPending}
          aria-label={`Remove ${title}`}
          onClick={() => remove.mutate(run.id)}
        >
          Remove
        </button>
      </div>
      <ErrorNote error={remove.error} />
    </li>
  );
}
