import { useMutation, useQuery } from "@tanstack/react-query";

import { answer, client } from "../../lib/api";
import { useRefreshFiles } from "../files/api";

export function useAugmented(file: string) {
  const params = { path: { file } };
  return useQuery({
    queryKey: ["augmented", file],
    queryFn: () => answer(client.GET("/api/files/{file}/augmented", { params })),
    enabled: file !== "",
    staleTime: Infinity,
  });
}

/** Keep the five as files of a folder. */
export function useKeepAugmented(file: string) {
  const params = { path: { file } };
  return useMutation({
    mutationFn: (path: string) => answer(client.POST("/api/files/{file}/augmented", { params, body: { path } })),
    onSuccess: useRefreshFiles(),
  });
}
