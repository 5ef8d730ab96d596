import { useEffect, useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { Histogram } from "../../components/histogram";
import { Facts, Statistics } from "../../components/statistics";
import type { Schema } from "../../lib/api";
import { formatDecibel, formatNumber } from "../../lib/format";
import { type Edit, type Part, useCard, useLook, useMaps } from "./api";
import { TensorTable } from "./tensor-table";

interface Props {
  run: string;
  layer: string;
  isBusy: boolean;
  onEdit: (edit: Edit) => void;
}

/** What is known of the layer that the session stands at. */
export function LayerPanel({ run, layer, isBusy, onEdit }: Props) {
  const card = useCard(run, layer);
  const look = useLook(run, layer);
  const maps = useMaps(run, layer);
  return (
    <>
      <section className="card stack" aria-label="The layer's value" data-layer={look.data?.visit.layer}>
        <div className="row">
          <h2>{layer}</h2>
          {card.data && <span className="tag">{card.data.layer.operation}</span>}
          {card.data && <span className="tag">{card.data.layer.shape.join(" × ")}</span>}
          <span className="grow" />
          {look.data && <strong title="Signal to noise against float">{formatDecibel(look.data.visit.sqnr_db)}</strong>}
        </div>
        <ErrorNote error={card.error ?? look.error ?? maps.error} />
        {maps.data && <FeatureMaps png={maps.data} label={`Feature maps of ${layer}`} />}
        {look.data && (
          <div className="pair">
            <Statistics of={look.data.visit.statistics} />
            <Histogram of={look.data.histogram} label={`Value of ${layer}`} />
          </div>
        )}
        {look.data?.sums && (
          <p className="soft small">
            Exact integer sums: {look.data.sums.low} to {look.data.sums.high}.
          </p>
        )}
      </section>
      {card.data && <LayerFacts card={card.data} isBusy={isBusy} onEdit={onEdit} />}
      {card.data && <Tensors run={run} layer={layer} card={card.data} onEdit={onEdit} />}
    </>
  );
}

function FeatureMaps({ png, label }: { png: Blob; label: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(png);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [png]);
  return url ? <img className="maps" src={url} alt={label} /> : null;
}

const PRECISIONS = ["float", "hybrid", "int8"] as const;

function LayerFacts({ card, isBusy, onEdit }: { card: Schema<"CardBody">; isBusy: boolean; onEdit: Props["onEdit"] }) {
  const { layer } = card;
  const rows: [string, React.ReactNode][] = Object.entries(card.parameters);
  if (layer.parameters) rows.push(["parameters", layer.parameters.toLocaleString("en")]);
  if (layer.qparams) {
    rows.push(["scale", formatNumber(layer.qparams.scale)], ["zero point", String(layer.qparams.zero_point)]);
  }
  return (
    <section className="card stack" aria-label="The layer">
      <h2>The layer</h2>
      <Facts rows={rows} />
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
