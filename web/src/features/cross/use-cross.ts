import { useCallback, useEffect, useRef, useState } from "react";

import type { Schema } from "../../lib/api";
import type { Crossing } from "./diagnosis";

export interface Cross {
  rows: Crossing[];
  progress: Schema<"ProgressBody"> | null;
  fault: string;
  isOver: boolean;
}

const NOTHING: Cross = { rows: [], progress: null, fault: "", isOver: false };

/** Cross a run's model: a row for each layer as soon as it is known. */
export function useCross(run: string) {
  const [cross, setCross] = useState<Cross | null>(null);
  const events = useRef<EventSource | null>(null);
  const stop = useCallback(() => events.current?.close(), []);
  useEffect(() => stop, [stop]);

  function start(mode: string) {
    stop();
    setCross(NOTHING);
    const source = new EventSource(`/api/runs/${run}/cross${mode ? `?mode=${mode}` : ""}`);
    events.current = source;
    source.onmessage = (event: MessageEvent<string>) => {
      const heard = JSON.parse(event.data) as Schema<"CrossEvent">;
      if (heard.is_last) source.close();
      setCross((before) => {
        const { rows } = before ?? NOTHING;
        return {
          rows: heard.crossing ? [...rows, heard.crossing] : rows,
          progress: heard.progress ?? before?.progress ?? null,
          fault: heard.fault,
          isOver: heard.is_last,
        };
      });
    };
    // A browser would ask again by itself, and the work would begin anew.
    source.onerror = () => {
      source.close();
      setCross((before) => ({ ...(before ?? NOTHING), isOver: true, fault: "the way to the console broke: cross again" }));
    };
  }

  return { cross, start };
}
