import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const LEAST_WIDTH_PX = 200;

export interface Drawing {
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
}

/** The page's colours, and an axis in them. */
export interface Colours {
  of: (name: string) => string;
  axis: uPlot.Axis;
}

/** A chart as wide as its place; drawn anew where `draw` is another function. */
export function Plot({
  className,
  label,
  heightPx,
  draw,
  onDrawn,
}: {
  className: string;
  label: string;
  heightPx: number;
  draw: (colours: Colours) => Drawing;
  /** Once it is drawn, and at each change of its size. */
  onDrawn?: (plot: uPlot) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef(onDrawn);
  drawn.current = onDrawn;
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const of = (name: string) => style.getPropertyValue(name);
    const axis = { stroke: of("--ink-soft"), grid: { stroke: of("--line"), width: 1 } };
    const { options, data } = draw({ of, axis });
    const size = () => ({ width: Math.max(LEAST_WIDTH_PX, element.clientWidth), height: heightPx });
    const plot = new uPlot({ ...size(), ...options }, data, element);
    const watch = new ResizeObserver(() => {
      plot.setSize(size());
      drawn.current?.(plot);
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [draw, heightPx]);
  return <div className={className} ref={place} role="img" aria-label={label} />;
}
