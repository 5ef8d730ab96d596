import { ErrorNote } from "../../components/error-note";
import { Histogram } from "../../components/histogram";
import { Statistics } from "../../components/statistics";
import { formatDecibel, formatMilliseconds } from "../../lib/format";
import { useCard } from "../step/api";
import { LayerFacts } from "../step/layer-facts";
import { useOpenStep } from "../step/use-open-step";
import type { LayerFigures } from "./layer-figures";

const PARTS = ["weights", "bias", "codes", "scales"] as const;

/** One layer: what it is made with, what was measured, and its weights and biases as histograms. */
export function LayerCard({ run, layer, figures }: { run: string; layer: string; figures: LayerFigures | undefined }) {
  const card = useCard(run, layer);
  const { open, error } = useOpenStep(run);
  if (!layer) {
    return (
      <section className="card stack" aria-label="The layer">
        <h2>No layer is chosen</h2>
        <p className="soft">
          Choose one in the graph or the table. In the graph the arrow keys go from layer to layer, <kbd>+</kbd> and{" "}
          <kbd>-</kbd> zoom, <kbd>0</kbd> shows all.
        </p>
      </section>
    );
  }
  if (!card.data) return <ErrorNote error={card.error} />;
  const { data } = card;
  return (
    <section className="card stack" aria-label="The layer" aria-busy={card.isPlaceholderData}>
      <div className="row">
        <h2>{data.layer.name}</h2>
        <span className="tag">{data.layer.operation}</span>
        <span className="tag">{data.layer.shape.join(" × ")}</span>
        <span className="grow" />
        <button type="button" onClick={() => open(data.layer.name)}>
          Step to it
        </button>
      </div>
      <ErrorNote error={error} />
      <LayerFacts card={data} more={figures ? measured(figures) : []} />
      <p className="soft small">Reads {data.layer.inputs.join(", ")}.</p>
      {PARTS.map((part) => {
        const tensor = data[part];
        if (!tensor) return null;
        return (
          <div key={part} className="stack">
            <h3>
              {part} <span className="soft small">{tensor.shape.join(" × ")}</span>
            </h3>
            <Statistics of={tensor.statistics} />
            <Histogram of={tensor.histogram} label={`${part} of ${data.layer.name}`} />
          </div>
        );
      })}
    </section>
  );
}

function measured({ own_db, total_db, float32_ms, int8_ms }: LayerFigures): [string, string][] {
  const rows: [string, string][] = [];
  if (own_db !== undefined) rows.push(["adds itself", formatDecibel(own_db)]);
  if (total_db !== undefined) rows.push(["passes on", formatDecibel(total_db)]);
  if (float32_ms !== undefined) rows.push(["float32", formatMilliseconds(float32_ms)]);
  if (int8_ms !== undefined) rows.push(["int8", formatMilliseconds(int8_ms)]);
  return rows;
}
