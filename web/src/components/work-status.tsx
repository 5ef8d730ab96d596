import type { Work } from "../lib/use-work";
import { ErrorNote } from "./error-note";

/** Where long work is, or why it failed. */
export function WorkStatus({ work, label, onStop }: { work: Work<unknown> | undefined; label: string; onStop?: () => void }) {
  if (!work) return null;
  if (work.fault) return <ErrorNote error={work.fault} />;
  if (work.isOver) return null;
  const { step, done, total } = work.progress ?? { step: "", done: 0, total: 0 };
  return (
    <p role="status" className="row">
      <progress aria-label={label} value={total ? done : undefined} max={total || undefined} />
      <span className="grow">{total ? `${step}: ${done} of ${total}` : step || "beginning"} …</span>
      {onStop && (
        <button type="button" className="link" onClick={onStop}>
          Stop
        </button>
      )}
    </p>
  );
}
