import type { Upload } from "./upload";

export function UploadList({ uploads, onDismiss }: { uploads: Upload[]; onDismiss: (id: number) => void }) {
  return (
    <ul className="uploads" aria-live="polite">
      {uploads.map((each) => (
        <li key={each.id} className={each.error ? "note note-error" : "note"}>
          {!each.error?.startsWith(each.path) && <span>{each.path}</span>}
          {each.error ? (
            <>
              <span>{each.error}</span>
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
