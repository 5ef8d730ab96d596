import { useEffect, useRef } from "react";

/** Where the upper left corner of what is seen lies, as a share of what can be scrolled over. */
export interface Corner {
  x: number;
  y: number;
}

interface Props {
  label: string;
  zoom: number;
  corner: Corner;
  onCorner: (corner: Corner) => void;
  children: React.ReactNode;
}

/** A picture that is enlarged, and scrolled with others. */
export function MovedPicture({ label, zoom, corner, onCorner, children }: Props) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const { x, y } = overOf(element);
    element.scrollTo(corner.x * x, corner.y * y);
  }, [corner, zoom]);
  return (
    <div
      ref={place}
      className="moved-picture"
      tabIndex={0}
      role="group"
      aria-label={label}
      onScroll={({ currentTarget }) => {
        const { x, y } = overOf(currentTarget);
        const now = { x: x ? currentTarget.scrollLeft / x : 0, y: y ? currentTarget.scrollTop / y : 0 };
        const isFar = Math.abs(now.x - corner.x) * x > 1 || Math.abs(now.y - corner.y) * y > 1;
        if (isFar) onCorner(now); // else it is what the others have said
      }}
    >
      <div style={{ width: `${100 * zoom}%` }}>{children}</div>
    </div>
  );
}

function overOf({ scrollWidth, clientWidth, scrollHeight, clientHeight }: HTMLElement): Corner {
  return { x: scrollWidth - clientWidth, y: scrollHeight - clientHeight };
}
