import { ErrorNote } from "../../components/error-note";
import { Histogram } from "../../components/histogram";
import { Statistics } from "../../components/statistics";
import { Waiting } from "../../components/waiting";
import type { Schema } from "../../lib/api";
import { formatDecibel, formatNumber, formatPercent } from "../../lib/format";
import { type Against, type Edit, useDifference, useLook, useMaps } from "./api";
import { ClipHistogram } from "./clip-histogram";

/** A layer's value: its channels as pictures, its figures, and how they are spread. */
export function ValueView({
  run,
  layer,
  qparams,
  onEdit,
}: {
  run: string;
  layer: string;
  /** Of the layer whose range can be changed here. */
  qparams?: Schema<"QParamsBody"> | null;
  onEdit?: (edit: Edit) => void;
}) {
  const look = useLook(run, layer);
  const maps = useMaps(run, layer);
  const label = `Value of ${look.data?.visit.layer}`;
  return (
    <>
      <ErrorNote error={look.error ?? maps.error} />
      {maps.isPending && <Waiting label={`Drawing ${layer}`} />}
      {maps.data && (
        <img
          className={maps.isPlaceholderData ? "maps stale" : "maps"}
          src={maps.data.address}
          alt={`Feature maps of ${maps.data.layer}`}
        />
      )}
      {look.data && (
        <div className={look.isPlaceholderData ? "pair stale" : "pair"}>
          <Statistics of={look.data.visit.statistics} />
          {qparams && onEdit ? (
            <ClipHistogram
              key={`${layer} ${qparams.scale} ${qparams.zero_point}`}
              of={look.data.histogram}
              label={label}
              qparams={qparams}
              onRange={(range) => onEdit({ kind: "range", layer, ...range })}
            />
          ) : (
            <Histogram of={look.data.histogram} label={label} />
          )}
        </div>
      )}
      {look.data?.sums && (
        <p className="soft small">
          Exact integer sums: {look.data.sums.low} to {look.data.sums.high}.
        </p>
      )}
    </>
  );
}

const WORDS: Record<Against, string> = { before: "before the last edit", float: "in float" };

/** Where a layer's value differs from what it was, or would be. */
export function DifferenceView({ run, layer, against }: { run: string; layer: string; against: Against }) {
  const { data, error } = useDifference(run, layer, against);
  if (!data) return error ? <ErrorNote error={error} /> : <Waiting label={`Comparing ${layer}`} />;
  const { sqnr_db, largest, changed_fraction } = data.difference;
  return (
    <>
      <img className="maps" src={`data:image/png;base64,${data.png}`} alt={`Where ${layer} differs from ${WORDS[against]}`} />
      <p>
        {formatPercent(changed_fraction)} of the elements differ from the value {WORDS[against]}, by{" "}
        {formatNumber(largest)} at most; the two agree to {formatDecibel(sqnr_db)}. Black is equal, white is where they
        differ most.
      </p>
    </>
  );
}
