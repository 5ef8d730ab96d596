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
  const tell = (change: (before: Work<Found>) => Work<Found>) =>
    queries.setQueryData<Work<Found>>(key, (before) =>
      change(before ?? { found: nothing, progress: null, fault: "", isOver: false }),
    );
  const stop = useCallback(() => running.current?.abort(), []);
  useEffect(() => stop, [stop]);

  /** Begin anew; with a body it is asked for as a change. */
  async function start(path: string, body?: unknown) {
    stop();
    const control = (running.current = new AbortController());
    tell(() => ({ found: nothing, progress: null, fault: "", isOver: false }));
    const end = (fault: string) => tell((before) => ({ ...before, fault, isOver: true }));
    try {
      const sent: RequestInit = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      for await (const event of readEvents<Event>(path, { ...sent, signal: control.signal })) {
        tell((before) => ({
          found: fold(before.found, event),
          progress: event.progress ?? before.progress,
          fault: event.fault ?? "",
          isOver: event.is_last ?? false,
        }));
        if (event.is_last) return;
      }
      end("the way to the console broke: begin again");
    } catch (error) {
      end(control.signal.aborted ? "stopped" : (error as Error).message);
    }
  }

  return { work, start, stop };
}
