import type { UseMutationResult } from "@tanstack/react-query";

import { Dialog } from "../../components/dialog";
import { ErrorNote } from "../../components/error-note";
import { type UserFile, useMakeFolder, useMoveFile, useRemoveFile } from "./api";
import { join, nameOf } from "./paths";

export function FolderDialog({ folder, onClose }: { folder: string; onClose: () => void }) {
  const make = useMakeFolder();
  return (
    <Dialog title="New folder" onClose={onClose}>
      <PathForm
        label="Name"
        act="Make"
        doing={make}
        onClose={onClose}
        onPath={(name) => make.mutate(join(folder, name), { onSuccess: onClose })}
      />
    </Dialog>
  );
}

export function MoveDialog({ file, onClose }: { file: UserFile; onClose: () => void }) {
  const move = useMoveFile();
  return (
    <Dialog title={`Rename ${nameOf(file.path)}`} onClose={onClose}>
      <PathForm
        label="Path: folder/name"
        act="Rename"
        first={file.path}
        doing={move}
        onClose={onClose}
        onPath={(path) => move.mutate({ file: file.id, path }, { onSuccess: onClose })}
      />
    </Dialog>
  );
}

export function RemoveDialog({ file, onClose }: { file: UserFile; onClose: () => void }) {
  const remove = useRemoveFile();
  return (
    <Dialog title={`Delete ${nameOf(file.path)}?`} onClose={onClose}>
      <p>
        {file.is_folder ? "The folder and all that is in it cannot be had again." : "The file cannot be had again."} Runs
        keep what they found, but those of a model that is gone can soon be stepped no more.
      </p>
      <ErrorNote error={remove.error} />
      <div className="row">
        <button
          type="button"
          className="danger"
          disabled={remove.isPending}
          onClick={() => remove.mutate(file.id, { onSuccess: onClose })}
        >
          Delete
        </button>
        <button type="button" onClick={onClose}>
          Keep
        </button>
      </div>
    </Dialog>
  );
}

/** Ask for a path. */
export function PathForm({
  label,
  act,
  first,
  doing,
  onPath,
  onClose,
}: {
  label: string;
  act: string;
  first?: string;
  doing: Pick<UseMutationResult, "error" | "isPending">;
  onPath: (path: string) => void;
  onClose: () => void;
}) {
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onPath(String(new FormData(event.currentTarget).get("path")));
      }}
    >
      <label>
        {label}
        <input name="path" defaultValue={first} required maxLength={400} autoFocus />
      </label>
      <ErrorNote error={doing.error} />
      <div className="row">
        <button className="primary" disabled={doing.isPending}>
          {act}
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}
