import type { Upload } from "./upload";

interface Props {
  uploads: Upload[];
  onDismiss: (id: number) => void;
  /** What takes the file that is there already, where there is use for one. */
  takes?: (path: string) => (() => void) | undefined;
}

export function UploadList({ uploads, onDismiss, takes }: Props) {
  return (
    <ul className="uploads" aria-live="polite">
      {uploads.map((each) => (
        <li key={each.id} className={each.error ? "note note-error" : "note"}>
          {!each.error?.startsWith(each.path) && <span>{each.path}</span>}
          {each.error ? (
            <>
              <span>{each.error}</span>
              <TakeIt take={each.isThere ? takes?.(each.path) : undefined} onTaken={() => onDismiss(each.id)} />
              <button type="button" className="link" onClick={() => onDismiss(each.id)}>
                Dismiss
              </button>
            </>
          ) : (
            <progress value={each.sentFraction} max={1} aria-label={`Upload of ${each.path}`} />
          )}
        </li>
      ))}
    </ul>
  );
}

function TakeIt({ take, onTaken }: { take: (() => void) | undefined; onTaken: () => void }) {
  if (!take) return null;
  return (
    <button
      type="button"
      className="link"
      onClick={() => {
        take();
        onTaken();
      }}
    >
      Choose the one there
    </button>
  );
}
