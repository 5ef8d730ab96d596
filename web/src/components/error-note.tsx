/** What went wrong, where it went wrong. */
export function ErrorNote({ error }: { error: Error | string | null | undefined }) {
  if (!error) return null;
  return (
    <p className="note note-error" role="alert">
      {typeof error === "string" ? error : error.message}
    </p>
  );
}
