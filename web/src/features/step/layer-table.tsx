import { useEffect, useRef } from "react";

import type { Graph } from "./api";

/** The layers as a table: what the graph shows, for the keyboard and for screen readers. */
export function LayerTable({ graph, here, onOpen }: { graph: Graph; here: string; onOpen: (layer: string) => void }) {
  const current = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: "nearest" });
  }, [here]);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col" className="number">
            #
          </th>
          <th scope="col">Layer</th>
          <th scope="col">Operation</th>
          <th scope="col">Shape</th>
          <th scope="col">Runs in</th>
        </tr>
      </thead>
      <tbody>
        {graph.layers.map((layer) => {
          const isHere = layer.name === here;
          return (
            <tr key={layer.name} ref={isHere ? current : undefined} className={isHere ? "here" : undefined}>
              <td className="number">{layer.index}</td>
              <th scope="row">
                <button
                  type="button"
                  className="link"
                  aria-current={isHere ? "step" : undefined}
                  onClick={() => onOpen(layer.name)}
                >
                  {layer.name}
                </button>
              </th>
              <td>{layer.operation}</td>
              <td>{layer.shape.join(" × ")}</td>
              <td>{layer.precision}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
