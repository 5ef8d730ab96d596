import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { answer, client, type Schema } from "../../lib/api";

export type Run = Schema<"RunBody">;
export type Result = Schema<"ResultBody">;
export type Mode = Run["mode"];

export const MODES: Mode[] = ["float", "hybrid", "int8", "auto"];

export function useModels() {
  return useQuery({ queryKey: ["models"], queryFn: () => answer(client.GET("/api/models")), staleTime: 300_000 });
}

export function useRuns() {
  return useQuery({ queryKey: ["runs"], queryFn: () => answer(client.GET("/api/runs")) });
}

export function useRun(run: string) {
  const params = { path: { run } };
  return useQuery({ queryKey: ["runs", run], queryFn: () => answer(client.GET("/api/runs/{run}", { params })) });
}

export function isOver(run: Run): boolean {
  return run.state === "done" || run.state === "failed";
}

/** Hear of each change of the runs until all are over: by one stream, since a browser has six ways to a server at most. */
export function useRunsEvents(runs: Run[] | undefined): void {
  const queries = useQueryClient();
  const follows = runs?.some((run) => !isOver(run)) ?? false;
  useEffect(() => {
    if (!follows) return;
    const events = new EventSource("/api/runs/events");
    events.onmessage = (event: MessageEvent<string>) => {
      const { runs: changed } = JSON.parse(event.data) as Schema<"RunsEvent">;
      const now = new Map(changed.map((run) => [run.id, run]));
      queries.setQueryData<Run[]>(["runs"], (all) => all?.map((run) => now.get(run.id) ?? run));
      for (const run of changed) queries.setQueryData<Run>(["runs", run.id], (before) => before && run);
    };
    // It ends when all are over: one that is shown as under way was removed elsewhere.
    events.onerror = () => void queries.invalidateQueries({ queryKey: ["runs"], exact: true });
    return () => events.close();
  }, [follows, queries]);
}

/** Ask for the list again that a change has made old, and for the room that is left: a run keeps its picture. */
function useRefreshRuns() {
  const queries = useQueryClient();
  return () =>
    Promise.all([queries.invalidateQueries({ queryKey: ["runs"] }), queries.invalidateQueries({ queryKey: ["account"] })]);
}

/** Start one run in each mode. */
export function useStartRuns() {
  return useMutation({
    mutationFn: async ({ modes, ...asked }: Omit<Schema<"RunStart">, "mode"> & { modes: Mode[] }) => {
      for (const mode of modes) await answer(client.POST("/api/runs", { body: { ...asked, mode } }));
    },
    onSettled: useRefreshRuns(),
  });
}

export function useRemoveRun() {
  return useMutation({
    mutationFn: (run: string) => answer(client.DELETE("/api/runs/{run}", { params: { path: { run } } })),
    onSettled: useRefreshRuns(),
  });
}
