import { queryOptions, useIsFetching, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { useRefreshFiles } from "../files/api";
import { answer, client, errorOf, sayBroken, type Schema } from "../../lib/api";

export type Layer = Schema<"LayerBody">;
export type Graph = Schema<"GraphBody">;
export type Session = Schema<"SessionBody">;
export type Difference = Schema<"DifferenceBody">;
export type Edit = Schema<"NumbersEdit"> | Schema<"ScaleEdit"> | Schema<"RangeEdit"> | Schema<"PrecisionEdit">;
export type Against = "before" | "float";
export type Part = "weights" | "bias" | "codes" | "scales";

/** Everything about a run's session; what an edit makes old is below "model". */
const keys = {
  session: (run: string) => ["step", run, "session"],
  moves: (run: string) => ["step", run, "moves"],
  graph: (run: string) => ["step", run, "model", "graph"],
  layer: (run: string, layer: string, what: string) => ["step", run, "model", layer, what],
  model: (run: string) => ["step", run, "model"],
};

export function useSession(run: string) {
  const params = { path: { run } };
  return useQuery({
    queryKey: keys.session(run),
    queryFn: () => answer(client.GET("/api/runs/{run}/session", { params })),
  });
}

export function useGraph(run: string) {
  const params = { path: { run } };
  return useQuery({
    queryKey: keys.graph(run),
    queryFn: () => answer(client.GET("/api/runs/{run}/graph", { params })),
    enabled: run !== "",
    staleTime: Infinity,
  });
}

function cardOf(run: string, layer: string) {
  const params = { path: { run }, query: { layer } };
  return queryOptions({
    queryKey: keys.layer(run, layer, "card"),
    queryFn: () => answer(client.GET("/api/runs/{run}/card", { params })),
    staleTime: Infinity,
  });
}

function lookOf(run: string, layer: string) {
  const params = { path: { run }, query: { layer } };
  return queryOptions({
    queryKey: keys.layer(run, layer, "look"),
    queryFn: () => answer(client.GET("/api/runs/{run}/look", { params })),
    staleTime: Infinity,
  });
}

function mapsOf(run: string, layer: string) {
  return queryOptions({
    queryKey: keys.layer(run, layer, "maps"),
    queryFn: async ({ signal }) => {
      const response = await fetch(`/api/runs/${run}/maps?layer=${encodeURIComponent(layer)}`, { signal }).catch(sayBroken);
      if (!response.ok) throw errorOf(response.status, await response.json().catch(() => null));
      return { layer, address: await decoded(await response.blob()) };
    },
    staleTime: Infinity,
  });
}

export function useCard(run: string, layer: string) {
  return useQuery({ ...cardOf(run, layer), enabled: layer !== "", placeholderData: (before) => before });
}

export function useLook(run: string, layer: string) {
  return useQuery({ ...lookOf(run, layer), enabled: layer !== "", placeholderData: (before) => before });
}

/** The feature maps as one picture: its address, and the layer's name, since the layer before is shown meanwhile. */
export function useMaps(run: string, layer: string) {
  return useQuery({ ...mapsOf(run, layer), enabled: layer !== "", placeholderData: (before) => before });
}

/** Ask for what the page shows of a layer before somebody goes there, once nothing else of the model is awaited. */
export function useAhead(run: string, layer: string | undefined) {
  const queries = useQueryClient();
  const isIdle = useIsFetching({ queryKey: keys.model(run) }) === 0;
  useEffect(() => {
    if (!layer || !isIdle) return;
    let frame = requestAnimationFrame(() => {
      // What is shown now is on the screen first: drawing it and working the next one out want the same processors.
      frame = requestAnimationFrame(() => {
        void queries.prefetchQuery(lookOf(run, layer));
        void queries.prefetchQuery(mapsOf(run, layer));
        void queries.prefetchQuery(cardOf(run, layer));
      });
    });
    return () => cancelAnimationFrame(frame);
  }, [queries, run, layer, isIdle]);
}

export function useDifference(run: string, layer: string, against: Against) {
  const params = { path: { run }, query: { layer, against } };
  return useQuery({
    queryKey: keys.layer(run, layer, `difference ${against}`),
    queryFn: () => answer(client.GET("/api/runs/{run}/difference", { params })),
    staleTime: Infinity,
  });
}

export function useTensor(run: string, layer: string, part: Part, first: number, count: number) {
  const params = { path: { run }, query: { layer, part, first, count } };
  return useQuery({
    queryKey: keys.layer(run, layer, `${part} ${first} ${count}`),
    queryFn: () => answer(client.GET("/api/runs/{run}/tensor", { params })),
    staleTime: Infinity,
  });
}

/** Moves and edits reach a session one after the other: the page stands at a layer before the session does. */
const inTurn = (run: string) => ({ id: `session of ${run}` });

/** Says where the page stands, or will once it is drawn: keys come faster than that. */
export function useStanding(run: string) {
  const queries = useQueryClient();
  return () => queries.getQueryData<Session>(keys.session(run))?.layer ?? "";
}

/** Stand at a layer, by its name. The page stands there at once; the session follows, one move after the other. */
export function useStep(run: string) {
  const queries = useQueryClient();
  const params = { path: { run } };
  const stand = (layer: string) =>
    queries.setQueryData<Session>(keys.session(run), (session) => session && { ...session, layer });
  const standing = useStanding(run);
  return useMutation({
    mutationKey: keys.moves(run),
    scope: inTurn(run),
    mutationFn: (layer: string) =>
      answer(client.POST("/api/runs/{run}/step", { params, body: { to: "layer", layer, count: 1 } })),
    onMutate: (layer) => {
      const before = standing();
      stand(layer);
      return before;
    },
    onError: (_error, layer, before) => {
      if (before !== undefined && standing() === layer) stand(before);
    },
    onSuccess: (visit) => {
      // The session may have been asked meanwhile where it stands, and have said where it stood.
      const isLast = queries.isMutating({ mutationKey: keys.moves(run) }) === 1;
      if (isLast) stand(visit.layer);
    },
  });
}

export function useEdit(run: string) {
  const queries = useQueryClient();
  const params = { path: { run } };
  return useMutation({
    scope: inTurn(run),
    mutationFn: (body: Edit) => answer(client.POST("/api/runs/{run}/edits", { params, body })),
    onSuccess: () => refresh(queries, run),
  });
}

export function useUndo(run: string) {
  const queries = useQueryClient();
  const params = { path: { run } };
  return useMutation({
    scope: inTurn(run),
    mutationFn: () => answer(client.POST("/api/runs/{run}/undo", { params })),
    onSuccess: () => refresh(queries, run),
  });
}

/** Keep the model as it is edited now among the files, at a path without an ending. */
export function useKeepVariant(run: string) {
  const params = { path: { run } };
  return useMutation({
    mutationFn: (path: string) => answer(client.POST("/api/runs/{run}/variant", { params, body: { path } })),
    onSuccess: useRefreshFiles(),
  });
}

/** Run the model as it is edited now. */
export function useRerun(run: string) {
  const params = { path: { run } };
  return useMutation({
    scope: inTurn(run),
    mutationFn: () => answer(client.POST("/api/runs/{run}/result", { params })),
  });
}

async function refresh(queries: ReturnType<typeof useQueryClient>, run: string) {
  await queries.cancelQueries({ queryKey: keys.model(run) }); // asked of the model as it was
  queries.removeQueries({ queryKey: ["work", run] }); // what was measured was another model
  await Promise.all([
    queries.invalidateQueries({ queryKey: keys.session(run) }),
    queries.invalidateQueries({ queryKey: keys.model(run) }),
  ]);
}

/** A picture's address that is good for as long as somebody has it; the browser has decoded what is there. */
async function decoded(picture: Blob): Promise<string> {
  const reader = new FileReader();
  await new Promise((resolve, reject) => {
    reader.onload = resolve;
    reader.onerror = reject;
    reader.readAsDataURL(picture);
  });
  const image = new Image();
  image.src = reader.result as string;
  await image.decode();
  return image.src;
}
