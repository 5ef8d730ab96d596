import { useLayoutEffect, useRef } from "react";

/** A question over the page, with the browser's own focus and Escape; the focus goes back to where it came from. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: React.ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before it leaves the page: a dialog that is taken away open gives no focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} onClose={() => dialog.current?.open || onClose()} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
