import { formatPercent } from "../../lib/format";
import type { Result } from "./api";
import { frameOf } from "./frame";

const COLOURS = 8;

/** The picture, with a frame around each thing that was found. */
export function PictureWithBoxes({ run, name, result }: { run: string; name: string; result: Result | null }) {
  const boxes = result?.boxes ?? [];
  return (
    <div className="boxes">
      <img src={`/api/runs/${run}/picture`} alt={describe(name, result)} loading="lazy" />
      {boxes.map((box, n) => (
        <span
          key={n}
          aria-hidden="true"
          className={`box hue-${box.label % COLOURS}`}
          style={frameOf(box)}
        >
          <b>
            {box.name} {formatPercent(box.score)}
          </b>
        </span>
      ))}
    </div>
  );
}

/** Classes and how sure the model is of each, or boxes as a list. */
export function Findings({ result }: { result: Result }) {
  const rows = result.detects
    ? result.boxes.map((box) => [box.name, box.score] as const)
    : result.guesses.map((guess) => [guess.name, guess.probability] as const);
  if (rows.length === 0) return <p className="soft">Nothing was found.</p>;
  return (
    <ol className="findings">
      {rows.map(([name, share], n) => (
        <li key={n}>
          <span>{name}</span>
          <meter value={share} max={1} aria-label={`${name}: ${formatPercent(share)}`} />
          <span className="number">{formatPercent(share)}</span>
        </li>
      ))}
    </ol>
  );
}

function describe(name: string, result: Result | null): string {
  if (!result?.detects) return name;
  const found = result.boxes.map((box) => `${box.name} ${formatPercent(box.score)}`).join(", ");
  return `${name}; found: ${found || "nothing"}`;
}
