import { useState } from "react";
import { Link } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { formatTime } from "../../lib/format";
import { useTitle } from "../../lib/use-title";
import { type Run, isOver, useRuns, useRunsEvents } from "./api";
import { MOST_PANES, panesAddress } from "../panes/address";
import { Findings, PictureWithBoxes } from "./findings";
import { RandomWeights } from "./random-weights";
import { RemoveRun } from "./remove-run";
import { RunForm } from "./run-form";

export function RunsPage() {
  useTitle("Runs");
  const runs = useRuns();
  useRunsEvents(runs.data);
  const [chosen, setChosen] = useState<string[]>([]);
  return (
    <>
      <h1>Runs</h1>
      <RunForm />
      <ErrorNote error={runs.error} />
      {chosen.length > 0 && (
        <p>
          <Link className="button" to={panesAddress(chosen)}>
            Side by side ({chosen.length})
          </Link>
        </p>
      )}
      {runs.data?.length === 0 && <p className="soft">Choose a model and a picture, and run it.</p>}
      <ul className="panes" aria-label="Runs, the newest first">
        {runs.data?.map((run) => (
          <RunCard
            key={run.id}
            run={run}
            opened={runs.data.find((each) => each.model === run.model && each.can_step)}
            isChosen={chosen.includes(run.id)}
            onChoose={(isChosen) =>
              setChosen((before) => [...before.filter((id) => id !== run.id), ...(isChosen ? [run.id] : [])].slice(-MOST_PANES))
            }
          />
        ))}
      </ul>
    </>
  );
}

const DOING = { waiting: "waiting for its turn", opening: "opening the model", running: "running", done: "", failed: "" };

interface CardProps {
  run: Run;
  /** A run of the same model that can be stepped and calibrated. */
  opened: Run | undefined;
  isChosen: boolean;
  onChoose: (isChosen: boolean) => void;
}

function RunCard({ run, opened, isChosen, onChoose }: CardProps) {
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
      {opened && run.fault.includes("under Quantise") && (
        <div className="row">
          <Link className="button" to={`/runs/${opened.id}/quantise`}>
            Quantise {opened.model}, {opened.mode}
          </Link>
        </div>
      )}
      {run.result && <RandomWeights trained={run.result.trained} />}
      {run.result && <Findings result={run.result} />}
      {run.can_step && (
        <div className="row">
          <Link className="button" to={`/runs/${run.id}/step`} aria-label={`Step ${title}`}>
            Step
          </Link>
          <Link className="button" to={`/runs/${run.id}/model`} aria-label={`Model of ${title}`}>
            Model
          </Link>
          <label className="choice small">
            <input type="checkbox" checked={isChosen} onChange={(event) => onChoose(event.target.checked)} />
            <span>
              compare<span className="hidden"> {title}</span>
            </span>
          </label>
        </div>
      )}
      <div className="row">
        <span className="soft small grow">{formatTime(run.created)}</span>
        <RemoveRun run={run} title={title} />
      </div>
    </li>
  );
}
