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

/** Hear of each change of a run until it is over. */
export function useRunEvents(run: Run): void {
  const queries = useQueryClient();
  const follows = !isOver(run);
  useEffect(() => {
    if (!follows) return;
    const events = new EventSource(`/api/runs/${run.id}/events`);
    events.onmessage = (event: MessageEvent<string>) => {
      const now = JSON.parse(event.data) as Run;
      queries.setQueryData<Run[]>(["runs"], (all) => all?.map((each) => (each.id === now.id ? now : each)));
      if (isOver(now)) events.close();
    };
    return () => events.close();
  }, [run.id, follows, queries]);
}

/** Start one run in each mode. */
export function useStartRuns() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ modes, ...asked }: Omit<Schema<"RunStart">, "mode"> & { modes: Mode[] }) => {
      for (const mode of modes) await answer(client.POST("/api/runs", { body: { ...asked, mode } }));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["runs"] }),
  });
}

export function useRemoveRun() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (run: string) => answer(client.DELETE("/api/runs/{run}", { params: { path: { run } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["runs"] }),
  });
}
