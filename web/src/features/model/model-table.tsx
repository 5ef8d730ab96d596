import { useMemo } from "react";

import { type Column, SortableTable } from "../../components/sortable-table";
import type { Schema } from "../../lib/api";
import { formatDecibel, formatMilliseconds } from "../../lib/format";
import type { LayerFigures } from "./layer-figures";

type Layer = Schema<"LayerBody">;
interface Props {
  graph: Schema<"GraphBody">;
  figures: Map<string, LayerFigures>;
  here: string;
  onOpen: (layer: string) => void;
}

/** The graph's layers as rows, with what was measured of each. */
export function ModelTable({ graph, figures, here, onOpen }: Props) {
  const columns = useMemo<Column<Layer>[]>(() => {
    const words = (name: string, of: (layer: Layer) => string): Column<Layer> => ({ name, value: of, show: of });
    const number = (
      name: string,
      value: (layer: Layer) => number | undefined,
      format: (value: number) => string,
      highFirst = false,
    ): Column<Layer> => ({
      name,
      value,
      highFirst,
      isNumber: true,
      show: (layer) => {
        const found = value(layer);
        return found === undefined ? "" : format(found);
      },
    });
    return [
      number("#", (layer) => layer.index, String),
      {
        name: "Layer",
        isName: true,
        value: (layer) => layer.name,
        show: (layer) => (
          <button
            type="button"
            className="link"
            aria-current={layer.name === here ? "true" : undefined}
            onClick={() => onOpen(layer.name)}
          >
            {layer.name}
          </button>
        ),
      },
      words("Type", (layer) => layer.operation),
      words("Shape", (layer) => layer.shape.join(" × ")),
      number("Parameters", (layer) => layer.parameters, (value) => value.toLocaleString("en"), true),
      words("Precision", (layer) => (layer.precision === "unspecified" ? "" : layer.precision)),
      number("Adds itself", (layer) => figures.get(layer.name)?.own_db, formatDecibel),
      number("Passes on", (layer) => figures.get(layer.name)?.total_db, formatDecibel),
      number("float32", (layer) => figures.get(layer.name)?.float32_ms, formatMilliseconds, true),
      number("int8", (layer) => figures.get(layer.name)?.int8_ms, formatMilliseconds, true),
    ];
  }, [figures, here, onOpen]);
  return (
    <SortableTable
      label="The layers"
      columns={columns}
      rows={graph.layers}
      keyOf={(layer) => layer.name}
      isHere={(layer) => layer.name === here}
    />
  );
}
