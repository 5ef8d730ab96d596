import { WorkStatus } from "../../components/work-status";
import { formatMilliseconds, formatPercent } from "../../lib/format";
import type { Measured } from "../model/use-report";
import type { Picked } from "./picture-picker";
import { useErrors } from "./use-calibration";

/** What integers lose of float's answers, on the pictures they were chosen by and on those they never saw. */
export function Errors({ run, picked }: { run: string; picked: Picked }) {
  const seen = useErrors(run, "seen");
  const heldOut = useErrors(run, "held out");
  const sets = [
    { name: "calibration pictures", ...seen, pictures: picked.seen },
    { name: "held-out pictures", ...heldOut, pictures: picked.heldOut },
  ];
  const measured = sets.filter((set) => set.work?.found).map((set) => ({ name: set.name, of: set.work!.found! }));
  return (
    <section className="card stack" aria-label="Errors">
      <h2>Answers that are float’s too</h2>
      <div className="row">
        {sets.map((set) => (
          <button
            key={set.name}
            type="button"
            disabled={set.pictures.length === 0 || (set.work && !set.work.isOver)}
            onClick={() => set.measure(set.pictures)}
          >
            Measure on {set.pictures.length} {set.name}
          </button>
        ))}
      </div>
      {sets.map((set) => (
        <WorkStatus key={set.name} work={set.work} label={`Measuring on ${set.name}`} onStop={set.stop} />
      ))}
      {measured.length > 0 && <ErrorTable measured={measured} />}
    </section>
  );
}

function ErrorTable({ measured }: { measured: { name: string; of: Measured }[] }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Answers by mode">
      <table>
        <thead>
          <tr>
            <th scope="col">Mode</th>
            {measured.map(({ name, of }) => (
              <th key={name} scope="col" className="number">
                {of.pictures} {name}
              </th>
            ))}
            <th scope="col" className="number">
              time
            </th>
          </tr>
        </thead>
        <tbody>
          {measured[0]?.of.modes.map(({ mode, latency_ms }) => (
            <tr key={mode}>
              <th scope="row">{mode}</th>
              {measured.map(({ name, of }) => (
                <td key={name} className="number">
                  {formatPercent(of.modes.find((each) => each.mode === mode)?.agreement ?? 0)}
                </td>
              ))}
              <td className="number">{formatMilliseconds(latency_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
