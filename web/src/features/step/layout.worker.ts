import { type Edge, layOut } from "./layout";

addEventListener("message", (event: MessageEvent<{ nodes: string[]; edges: Edge[] }>) => {
  postMessage(layOut(event.data.nodes, event.data.edges));
});
