import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answer, client } from "../../lib/api";

const key = (run: string) => ["links", run];

export function useLinks(run: string) {
  const params = { path: { run } };
  return useQuery({
    queryKey: key(run),
    queryFn: () => answer(client.GET("/api/runs/{run}/links", { params })),
  });
}

export function useShare(run: string) {
  const queries = useQueryClient();
  const params = { path: { run } };
  return useMutation({
    mutationFn: (layer: string) => answer(client.POST("/api/runs/{run}/links", { params, body: { layer } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: key(run) }),
  });
}

export function useRevoke(run: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (link: string) => answer(client.DELETE("/api/links/{link}", { params: { path: { link } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: key(run) }),
  });
}
