// Long work of the workbench, heard step by step; what it found stays known while one is on other pages.

import { type QueryKey, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";

import type { Schema } from "./api";
import { readEvents } from "./events";

export interface Work<Found> {
  found: Found;
  progress: Schema<"ProgressBody"> | null;
  fault: string;
  isOver: boolean;
}

/** Between two looks at what comes: a page that shows a row for each of 700 layers would be drawn as often. */
const LOOK_EVERY_MS = 200;

interface WorkEvent {
  progress?: Schema<"ProgressBody"> | null;
  fault?: string;
  is_last?: boolean;
}

/**
 * Work that is known by a key.
 *
 * @param nothing what is found before anything is.
 * @param fold what was found, and one event -> what is found now.
 */
export function useWork<Found, Event extends WorkEvent>(
  key: QueryKey,
  nothing: Found,
  fold: (found: Found, event: Event) => Found,
) {
  const queries = useQueryClient();
  const { data: work } = useQuery<Work<Found>>({ queryKey: key, enabled: false, gcTime: Infinity, staleTime: Infinity });
  const running = useRef<AbortController | null>(null);
  const stop = useCallback(() => running.current?.abort(), []);
  useEffect(() => stop, [stop]);

  /** Begin anew, with what is known before anything is found; with a body it is asked for as a change. */
  async function start(path: string, body?: unknown, begin: Found = nothing) {
    stop();
    const control = (running.current = new AbortController());
    let now: Work<Found> = { found: begin, progress: null, fault: "", isOver: false };
    let later: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      clearTimeout(later);
      later = undefined;
      // Where it was begun anew, nothing of this one is shown any more.
      if (running.current === control) queries.setQueryData<Work<Found>>(key, now);
    };
    show();
    const end = (fault: string) => {
      now = { ...now, fault, isOver: true };
    };
    try {
      const sent: RequestInit = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      for await (const event of readEvents<Event>(path, { ...sent, signal: control.signal })) {
        now = {
          found: fold(now.found, event),
          progress: event.progress ?? now.progress,
          fault: event.fault ?? "",
          isOver: event.is_last ?? false,
        };
        if (now.isOver) return;
        later ??= setTimeout(show, LOOK_EVERY_MS);
      }
      end("the way to the console broke: begin again");
    } catch (error) {
      end(control.signal.aborted ? "stopped" : (error as Error).message);
    } finally {
      show();
    }
  }

  return { work, start, stop };
}
