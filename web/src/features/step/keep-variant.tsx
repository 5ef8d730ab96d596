import { useState } from "react";

import { Dialog } from "../../components/dialog";
import { PathForm } from "../files/file-dialogs";
import { useKeepVariant } from "./api";

/** Ask for a name, and keep the model as it is edited now among the files. */
export function KeepVariant({ run }: { run: string }) {
  const [asks, setAsks] = useState(false);
  const keep = useKeepVariant(run);
  return (
    <>
      <button type="button" onClick={() => setAsks(true)}>
        Keep as files
      </button>
      {keep.data && (
        <span className="soft small" role="status">
          Kept {keep.data.map((file) => file.path).join(" and ")}
        </span>
      )}
      {asks && (
        <Dialog title="Keep the model as it is edited now" onClose={() => setAsks(false)}>
          <p className="soft small">Makes NAME.strata, and NAME.integers where the model has integers.</p>
          <PathForm
            label="Folder/name"
            act="Keep"
            doing={keep}
            onClose={() => setAsks(false)}
            onPath={(path) => keep.mutate(path, { onSuccess: () => setAsks(false) })}
          />
        </Dialog>
      )}
    </>
  );
}
