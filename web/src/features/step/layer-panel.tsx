import { useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { Histogram } from "../../components/histogram";
import { Statistics } from "../../components/statistics";
import type { Schema } from "../../lib/api";
import { formatDecibel } from "../../lib/format";
import { type Edit, type Part, useCard, useLook } from "./api";
import { LayerFacts } from "./layer-facts";
import { TensorTable } from "./tensor-table";
import { DifferenceView, ValueView } from "./value-view";

interface Props {
  run: string;
  layer: string;
  /** How many can be undone. */
  edits: number;
  isBusy: boolean;
  onEdit: (edit: Edit) => void;
}

/** What is known of the layer that the session stands at. */
export function LayerPanel({ run, layer, edits, isBusy, onEdit }: Props) {
  const card = useCard(run, layer);
  const look = useLook(run, layer);
  const [shown, setShown] = useState("output");
  const inputs = (card.data?.layer.inputs ?? []).filter((name) => name !== "input");
  const views = ["output", ...inputs.map(asInput), ...(edits ? ["change by the last edit"] : []), "difference to float"];
  const view = views.includes(shown) ? shown : "output";
  return (
    <>
      <section className="card stack" aria-label="The layer's value" data-layer={look.data?.visit.layer}>
        <div className="row">
          <h2>{layer}</h2>
          {card.data && <span className="tag">{card.data.layer.operation}</span>}
          {card.data && <span className="tag">{card.data.layer.shape.join(" × ")}</span>}
          <span className="grow" />
          {look.data && (
            <span>
              <span className="soft small">signal to noise against float</span>{" "}
              <strong>{formatDecibel(look.data.visit.sqnr_db)}</strong>
            </span>
          )}
        </div>
        <div className="row" role="group" aria-label="Show of the layer">
          {views.map((each) => (
            <button key={each} type="button" aria-pressed={each === view} onClick={() => setShown(each)}>
              {each}
            </button>
          ))}
        </div>
        <ErrorNote error={card.error} />
        {view === "output" && <ValueView run={run} layer={layer} qparams={card.data?.layer.qparams} onEdit={onEdit} />}
        {inputs.map((name) => view === asInput(name) && <ValueView key={name} run={run} layer={name} />)}
        {view === "change by the last edit" && <DifferenceView run={run} layer={layer} against="before" />}
        {view === "difference to float" && <DifferenceView run={run} layer={layer} against="float" />}
      </section>
      {card.data && <TheLayer card={card.data} isBusy={isBusy} onEdit={onEdit} />}
      {card.data && <Tensors run={run} layer={layer} card={card.data} onEdit={onEdit} />}
    </>
  );
}

const asInput = (name: string) => `input ${name}`;

const PRECISIONS = ["float", "hybrid", "int8"] as const;

function TheLayer({ card, isBusy, onEdit }: { card: Schema<"CardBody">; isBusy: boolean; onEdit: Props["onEdit"] }) {
  const { layer } = card;
  return (
    <section className="card stack" aria-label="The layer">
      <h2>The layer</h2>
      <LayerFacts card={card} />
      {layer.precision !== "unspecified" && (
        <fieldset className="row" disabled={isBusy}>
          <legend>Runs in</legend>
          {PRECISIONS.map((precision) => (
            <label key={precision} className="choice">
              <input
                type="radio"
                name="precision"
                checked={layer.precision === precision}
                onChange={() => onEdit({ kind: "precision", layer: layer.name, precision })}
              />
              {precision}
            </label>
          ))}
        </fieldset>
      )}
    </section>
  );
}

const PARTS: Part[] = ["weights", "bias", "codes", "scales"];

function Tensors({
  run,
  layer,
  card,
  onEdit,
}: {
  run: string;
  layer: string;
  card: Schema<"CardBody">;
  onEdit: Props["onEdit"];
}) {
  const parts = PARTS.filter((part) => card[part]);
  const [chosen, setChosen] = useState<Part>("weights");
  const part = parts.includes(chosen) ? chosen : parts[0];
  const tensor = part && card[part];
  if (!part || !tensor) return null;
  return (
    <section className="card stack" aria-label="Weights">
      <div className="row" role="group" aria-label="Show">
        {parts.map((each) => (
          <button key={each} type="button" aria-pressed={each === part} onClick={() => setChosen(each)}>
            {each}
          </button>
        ))}
        <span className="soft small">{tensor.shape.join(" × ")}</span>
      </div>
      <div className="pair">
        <Statistics of={tensor.statistics} />
        <Histogram of={tensor.histogram} label={`${part} of ${layer}`} />
      </div>
      <TensorTable key={part} run={run} layer={layer} part={part} shape={tensor.shape} onEdit={onEdit} />
    </section>
  );
}
