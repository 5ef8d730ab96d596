import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answer, client, type Schema } from "../../lib/api";

export type UserFile = Schema<"FileBody">;

export function useFiles() {
  return useQuery({ queryKey: ["files"], queryFn: () => answer(client.GET("/api/files")) });
}

/** Ask for a list again that a change has made old, and for the room that is left. */
export function useRefreshFiles() {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["files"] }),
      queries.invalidateQueries({ queryKey: ["account"] }),
    ]);
}

export function useMakeFolder() {
  const refresh = useRefreshFiles();
  return useMutation({
    mutationFn: (path: string) => answer(client.POST("/api/folders", { body: { path } })),
    onSuccess: refresh,
  });
}

export function useMoveFile() {
  const refresh = useRefreshFiles();
  return useMutation({
    mutationFn: ({ file, path }: { file: string; path: string }) =>
      answer(client.PATCH("/api/files/{file}", { params: { path: { file } }, body: { path } })),
    onSuccess: refresh,
  });
}

export function useRemoveFile() {
  const refresh = useRefreshFiles();
  return useMutation({
    mutationFn: (file: string) => answer(client.DELETE("/api/files/{file}", { params: { path: { file } } })),
    onSuccess: refresh,
  });
}
