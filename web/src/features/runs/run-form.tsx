import { useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { type UserFile, useFiles } from "../files/api";
import { DropZone } from "../files/drop-zone";
import { ending, pictures } from "../files/kinds";
import { useUploads } from "../files/upload";
import { UploadList } from "../files/upload-list";
import { MODES, type Mode, useModels, useStartRuns } from "./api";

const PICTURES = "image/jpeg,image/png,image/webp,image/bmp,image/gif";

export function RunForm() {
  const files = useFiles();
  const models = useModels();
  const start = useStartRuns();
  const { uploads, upload, dismiss } = useUploads();
  const [picture, setPicture] = useState("");
  const [modes, setModes] = useState<Mode[]>(["float"]);

  function takesPicture(path: string) {
    const there = pictures(files.data).find((file) => file.path === path.normalize("NFC")); // as paths are kept
    return there && (() => setPicture(there.id));
  }

  function submit(event: React.FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [kind = "", model = ""] = String(form.get("model")).split(/:(.*)/s);
    start.mutate({
      model,
      is_file: kind === "file",
      picture,
      modes,
      integer_file: String(form.get("integers") ?? ""),
      weights: String(form.get("weights") ?? "").trim(),
      size: Number(form.get("size") || 0),
      top_k: 5,
      threshold: Number(form.get("threshold") || 0.5),
    });
  }

  return (
    <form className="card run-form" onSubmit={submit} aria-label="New run">
      <label>
        Model
        <select name="model" required defaultValue="">
          <option value="" disabled>
            {models.isPending ? "Asking for the models …" : "Choose one"}
          </option>
          <Options label="Your files" files={ending(files.data, /\.strata$/i)} prefix="file:" />
          <optgroup label="By name">
            {models.data?.map((name) => (
              <option key={name} value={`name:${name}`}>
                {name}
              </option>
            ))}
          </optgroup>
        </select>
      </label>
      <label>
        Picture
        <select required value={picture} onChange={(event) => setPicture(event.target.value)}>
          <option value="" disabled>
            Choose one
          </option>
          <Options label="Your files" files={pictures(files.data)} prefix="" />
        </select>
      </label>
      <fieldset>
        <legend>Modes</legend>
        {MODES.map((mode) => (
          <label key={mode} className="choice">
            <input
              type="checkbox"
              checked={modes.includes(mode)}
              onChange={() => setModes(MODES.filter((each) => (each === mode) !== modes.includes(each)))}
            />
            {mode}
          </label>
        ))}
      </fieldset>
      <button className="primary" disabled={start.isPending || modes.length === 0}>
        Run
      </button>
      <DropZone
        label="Drop a picture, or choose one"
        accept={PICTURES}
        multiple={false}
        onFiles={async (chosen) => {
          const [made] = await upload("pictures", chosen);
          if (made) setPicture(made.id);
        }}
      />
      <details>
        <summary>More</summary>
        <div className="row">
          <label>
            Integers
            <select name="integers" defaultValue="">
              <option value="">from the picture itself</option>
              <Options label="Your files" files={ending(files.data, /\.integers$/i)} prefix="" />
            </select>
          </label>
          <label>
            Weights
            <input name="weights" placeholder="its own; or random://0" maxLength={200} />
          </label>
          <label>
            Side of the input, pixels
            <input name="size" type="number" min={0} max={10000} step={32} placeholder="its own" />
          </label>
          <label>
            Least score of a box
            <input name="threshold" type="number" min={0} max={1} step={0.05} defaultValue={0.5} />
          </label>
        </div>
      </details>
      <UploadList uploads={uploads} onDismiss={dismiss} takes={takesPicture} />
      <ErrorNote error={start.error ?? models.error ?? files.error} />
    </form>
  );
}

function Options({ label, files, prefix }: { label: string; files: UserFile[]; prefix: string }) {
  if (files.length === 0) return null;
  return (
    <optgroup label={label}>
      {files.map((file) => (
        <option key={file.id} value={prefix + file.id}>
          {file.path}
        </option>
      ))}
    </optgroup>
  );
}
