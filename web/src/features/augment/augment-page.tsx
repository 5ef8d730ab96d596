import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import { ErrorNote } from "../../components/error-note";
import { useTitle } from "../../lib/use-title";
import { useFiles } from "../files/api";
import { PathForm } from "../files/file-dialogs";
import { pictures } from "../files/kinds";
import { folderOf, join, nameOf } from "../files/paths";
import { useAugmented, useKeepAugmented } from "./api";
import "./augment.css";

const WHAT: Record<string, string> = {
  original: "As it is",
  rotated: "Rotated by 10 degrees",
  blurred: "Blurred",
  flipped: "Flipped, upside down",
  flopped: "Flopped, left to right",
};

/** Five pictures out of one: what calibrating sees of each where it augments. */
export default function AugmentPage() {
  useTitle("Augment");
  const [query, setQuery] = useSearchParams();
  const files = useFiles();
  const choice = pictures(files.data);
  const chosen = choice.find((file) => file.id === query.get("picture"));
  const made = useAugmented(chosen?.id ?? "");
  return (
    <div className="stack">
      <h1>Augment</h1>
      <p className="soft">Where pictures are few, calibrating takes five of each: these.</p>
      <div className="card row">
        <label className="grow">
          Picture
          <select value={chosen?.id ?? ""} onChange={(event) => setQuery({ picture: event.target.value })}>
            <option value="" disabled>
              Choose one
            </option>
            {choice.map((file) => (
              <option key={file.id} value={file.id}>
                {file.path}
              </option>
            ))}
          </select>
        </label>
        {chosen && made.data && <Keep key={chosen.id} picture={chosen.id} folder={folderFor(chosen.path)} />}
      </div>
      {files.data && choice.length === 0 && (
        <p className="soft">
          Upload a picture to your <Link to="/files">files</Link> first.
        </p>
      )}
      <ErrorNote error={files.error ?? made.error} />
      {made.isFetching && <p role="status">Making five of it …</p>}
      <ul className="augmented" aria-label="The five pictures">
        {made.data?.map(({ name, png }) => (
          <li key={name} className="card stack">
            <h2>{WHAT[name] ?? name}</h2>
            <img src={`data:image/png;base64,${png}`} alt={`${chosen?.path}, ${name}`} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function folderFor(path: string): string {
  return join(folderOf(path), `${nameOf(path).replace(/\.[^.]*$/, "")}-augmented`);
}

function Keep({ picture, folder }: { picture: string; folder: string }) {
  const [asks, setAsks] = useState(false);
  const keep = useKeepAugmented(picture);
  if (keep.data) return <p role="status">Kept {keep.data.length} pictures.</p>;
  if (!asks) {
    return (
      <button type="button" onClick={() => setAsks(true)}>
        Keep them
      </button>
    );
  }
  return (
    <PathForm
      label="Folder"
      act="Keep"
      first={folder}
      doing={keep}
      onClose={() => setAsks(false)}
      onPath={(path) => keep.mutate(path)}
    />
  );
}
