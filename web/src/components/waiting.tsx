/** The place of something that is on its way; `label` says what. */
export function Waiting({ label }: { label: string }) {
  return (
    <div className="waiting">
      <progress aria-label={label} />
    </div>
  );
}
