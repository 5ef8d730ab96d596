import { type Edge, layOut } from "./layout";

addEventListener("message", (event: MessageEvent<{ nodes: string[]; edges: Edge[] }>) => {
  const started = performance.now();
  const placed = layOut(event.data.nodes, event.data.edges);
  postMessage({ placed, duration: performance.now() - started });
});
