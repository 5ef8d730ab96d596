import { useState } from "react";

import { Dialog } from "../../components/dialog";
import { ErrorNote } from "../../components/error-note";
import { formatTime } from "../../lib/format";
import { useLinks, useRevoke, useShare } from "./api";

/** Share what a layer is now, read only, by a link that can be revoked. */
export function ShareLayer({ run, layer }: { run: string; layer: string }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button type="button" disabled={!layer} onClick={() => setIsOpen(true)}>
        Share
      </button>
      {isOpen && <ShareDialog run={run} layer={layer} onClose={() => setIsOpen(false)} />}
    </>
  );
}

function ShareDialog({ run, layer, onClose }: { run: string; layer: string; onClose: () => void }) {
  const links = useLinks(run);
  const share = useShare(run);
  const revoke = useRevoke(run);
  return (
    <Dialog title={`Share ${layer}`} onClose={onClose}>
      <p>
        Whoever has the link sees what {layer} is now, and nothing else: no log-in, no session, no later edit. Revoke it
        below.
      </p>
      <div className="row">
        <button type="button" className="primary" disabled={share.isPending} onClick={() => share.mutate(layer)}>
          Make a link
        </button>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      {share.data && (
        <label>
          The link, shown this once
          <input
            readOnly
            value={`${window.location.origin}${share.data.address}`}
            onFocus={(event) => event.target.select()}
          />
        </label>
      )}
      <ErrorNote error={share.error ?? links.error ?? revoke.error} />
      <ul aria-label="Links to layers of this run">
        {links.data?.map((link) => (
          <li key={link.id} className="row">
            <span className="grow">
              {link.layer} <span className="soft small">{formatTime(link.created)}</span>
            </span>
            <button
              type="button"
              className="link"
              disabled={revoke.isPending}
              aria-label={`Revoke the link to ${link.layer}`}
              onClick={() => revoke.mutate(link.id)}
            >
              Revoke
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
