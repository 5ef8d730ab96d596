import { useState } from "react";
import uPlot from "uplot";

import { Histogram } from "../../components/histogram";
import type { Schema } from "../../lib/api";
import { formatNumber } from "../../lib/format";
import { type End, moved, type Range, rangeOf, shownRange } from "./clip-range";

interface Props {
  of: Schema<"HistogramBody">;
  label: string;
  qparams: Schema<"QParamsBody">;
  onRange: (range: Range) => void;
}

const ENDS: [End, string][] = [
  ["low", "Lowest value that has a code"],
  ["high", "Highest value that has a code"],
];
/** Of an arrow key, in codes; of a page key. */
const STEP_CODES = 1;
const PAGE_CODES = 16;

/** A histogram with a handle at each end of what the codes span: dragged, or moved by the arrow keys and Enter. */
export function ClipHistogram({ of, label, qparams, onRange }: Props) {
  const kept = rangeOf(qparams);
  const [draft, setDraft] = useState<Range | null>(null);
  const [area, setArea] = useState({ left: 0, top: 0, width: 0, height: 0 });
  const range = draft ?? kept;
  const shown = shownRange(kept, of.edges);
  const place = (value: number) => `${(100 * (value - shown.low)) / (shown.high - shown.low)}%`;
  const move = (end: End, value: number) => setDraft(moved(range, end, value, qparams.scale));
  const apply = () => draft && onRange(draft);

  function measure({ bbox }: uPlot) {
    const ratio = uPlot.pxRatio;
    const { left, top, width, height } = bbox;
    setArea({ left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio });
  }
  function drag(event: React.PointerEvent<HTMLElement>, end: End) {
    const over = event.currentTarget.parentElement;
    if (!over || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const { left, width } = over.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    move(end, shown.low + share * (shown.high - shown.low));
  }
  function press(event: React.KeyboardEvent, end: End) {
    const codes = { ArrowLeft: -STEP_CODES, ArrowRight: STEP_CODES, PageDown: -PAGE_CODES, PageUp: PAGE_CODES }[event.key];
    if (codes) move(end, range[end] + codes * qparams.scale);
    else if (event.key === "Enter") apply();
    else if (event.key === "Escape") setDraft(null);
    else return;
    event.preventDefault();
    event.stopPropagation(); // an arrow is also the page's
  }

  return (
    <div className="clip">
      <Histogram of={of} label={label} from={shown.low} to={shown.high} onDrawn={measure} />
      <div className="clip-area" style={area}>
        <span className="clipped" style={{ left: 0, width: place(range.low) }} />
        <span className="clipped" style={{ left: place(range.high), right: 0 }} />
        {ENDS.map(([end, words]) => (
          <span
            key={end}
            className="clip-handle"
            style={{ left: place(range[end]) }}
            role="slider"
            tabIndex={0}
            aria-label={words}
            aria-valuenow={range[end]}
            aria-valuemin={shown.low}
            aria-valuemax={shown.high}
            aria-valuetext={formatNumber(range[end])}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={(event) => drag(event, end)}
            onPointerUp={apply}
            onKeyDown={(event) => press(event, end)}
          />
        ))}
      </div>
      <p className="soft small">
        Codes span {formatNumber(range.low)} to {formatNumber(range.high)}.{" "}
        {draft
          ? "Enter applies it, Escape takes it back."
          : "Drag an end, or move it by the arrow keys: what lies beyond is clipped."}
      </p>
    </div>
  );
}
