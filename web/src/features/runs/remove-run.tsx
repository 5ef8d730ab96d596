import { useState } from "react";

import { Dialog } from "../../components/dialog";
import { ErrorNote } from "../../components/error-note";
import { type Run, useRemoveRun } from "./api";

/** Remove a run; where it has a session, ask first: what was edited in it cannot be had again. */
export function RemoveRun({ run, title }: { run: Run; title: string }) {
  const [asks, setAsks] = useState(false);
  const remove = useRemoveRun();
  const go = () => remove.mutate(run.id, { onSuccess: () => setAsks(false) });
  return (
    <>
      <button
        type="button"
        className="link"
        disabled={remove.isPending}
        aria-label={`Remove ${title}`}
        onClick={() => (run.can_step ? setAsks(true) : go())}
      >
        Remove
      </button>
      {asks ? (
        <Dialog title={`Remove ${title}?`} onClose={() => setAsks(false)}>
          <p>Edits of it that were not kept as files cannot be had again, and links to its layers end. The files stay.</p>
          <ErrorNote error={remove.error} />
          <div className="row">
            <button type="button" className="danger" disabled={remove.isPending} onClick={go}>
              Remove
            </button>
            <button type="button" onClick={() => setAsks(false)}>
              Keep
            </button>
          </div>
        </Dialog>
      ) : (
        <ErrorNote error={remove.error} />
      )}
    </>
  );
}
