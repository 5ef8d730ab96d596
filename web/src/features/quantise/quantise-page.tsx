import { useState } from "react";
import { Link, useParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { WorkStatus } from "../../components/work-status";
import { useTitle } from "../../lib/use-title";
import { useFiles } from "../files/api";
import { pictures } from "../files/kinds";
import { useRun } from "../runs/api";
import { RunHead } from "../runs/run-head";
import { useSession } from "../step/api";
import { AlgorithmTable } from "./algorithm-table";
import { Errors } from "./errors";
import { type Picked, PicturePicker } from "./picture-picker";
import "./quantise.css";
import { SaveCalibration } from "./save-calibration";
import { Scales } from "./scales";
import { ALGORITHMS, useCalibration } from "./use-calibration";

const OPTIONS = [
  ["augment", "five pictures of each"],
  ["per_tensor", "one scale for all of a layer's weights"],
  ["auto", "measure the plan of auto too"],
] as const;

/** Choose a run's integers by pictures, and see what each algorithm would do. */
export default function QuantisePage() {
  const { run = "" } = useParams();
  const found = useRun(run);
  const session = useSession(run);
  const files = useFiles();
  const { work, calibrate, stop } = useCalibration(run);
  const [picked, setPicked] = useState<Picked>({ seen: [], heldOut: [] });
  useTitle(found.data ? `Quantise ${found.data.model}` : "Quantise");

  function submit(event: React.FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void calibrate({
      pictures: picked.seen,
      algorithm: String(form.get("algorithm")),
      augment: form.has("augment"),
      per_tensor: form.has("per_tensor"),
      auto: form.has("auto"),
      discard_edits: form.has("discard_edits"),
    });
  }

  const wrong = found.error ?? session.error ?? files.error;
  if (wrong) return <ErrorNote error={wrong} />;
  if (!found.data || !session.data || !files.data) return <p className="soft">Opening the model …</p>;
  const choice = pictures(files.data);
  const isBusy = work !== undefined && !work.isOver;
  const isMissing = choice.length > 0 && picked.seen.length === 0;
  return (
    <div className="stack">
      <RunHead run={found.data} />
      <form className="card stack" onSubmit={submit} aria-label="Calibrate">
        {choice.length === 0 ? (
          <p>
            Upload pictures to your <Link to="/files">files</Link> first: integers are chosen by pictures.
          </p>
        ) : (
          <PicturePicker files={choice} picked={picked} onPick={setPicked} />
        )}
        <div className="row">
          <label>
            Algorithm
            <select name="algorithm">
              {ALGORITHMS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          {OPTIONS.map(([name, words]) => (
            <label key={name} className="choice">
              <input type="checkbox" name={name} /> {words}
            </label>
          ))}
          {session.data.edits > 0 && (
            <label className="choice">
              <input type="checkbox" name="discard_edits" required /> give up {session.data.edits === 1 ? "my edit" : `my ${session.data.edits} edits`}
            </label>
          )}
          <span className="grow" />
          {isMissing && (
            <span id="what-is-missing" className="soft small">
              Choose a picture to calibrate on.
            </span>
          )}
          <button
            className="primary"
            disabled={isBusy || picked.seen.length === 0}
            aria-describedby={isMissing ? "what-is-missing" : undefined}
          >
            Calibrate
          </button>
          {work?.found && <SaveCalibration run={found.data} calibrated={work.found} />}
        </div>
        <WorkStatus work={work} label="Calibrating" onStop={stop} />
      </form>
      {work?.found && <Errors run={run} picked={picked} />}
      {work?.found && <AlgorithmTable run={run} found={work.found} />}
      <Scales run={run} pictures={picked.heldOut} />
    </div>
  );
}
