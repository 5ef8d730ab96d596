import type { UserFile } from "../files/api";

/** Ids of files: those that integers are chosen by, and those that only check them. */
export interface Picked {
  seen: string[];
  heldOut: string[];
}

const USES: [keyof Picked, string][] = [
  ["seen", "Calibrate"],
  ["heldOut", "Hold out"],
];

/** Pictures, each to calibrate on, or to be held out, or neither. */
export function PicturePicker({
  files,
  picked,
  onPick,
}: {
  files: UserFile[];
  picked: Picked;
  onPick: (picked: Picked) => void;
}) {
  const without = (id: string): Picked => ({
    seen: picked.seen.filter((each) => each !== id),
    heldOut: picked.heldOut.filter((each) => each !== id),
  });
  function toggle(id: string, use: keyof Picked) {
    const rest = without(id);
    onPick(picked[use].includes(id) ? rest : { ...rest, [use]: [...rest[use], id] });
  }
  const all = files.map((file) => file.id);
  return (
    <>
      <div className="scroll pictures" tabIndex={0} role="region" aria-label="Pictures">
        <table>
          <thead>
            <tr>
              <th scope="col">Picture</th>
              {USES.map(([use, words]) => (
                <th key={use} scope="col">
                  {words}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {files.map((file) => (
              <tr key={file.id}>
                <th scope="row">{file.path}</th>
                {USES.map(([use, words]) => (
                  <td key={use}>
                    <input
                      type="checkbox"
                      aria-label={`${words} ${file.path}`}
                      checked={picked[use].includes(file.id)}
                      onChange={() => toggle(file.id, use)}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="row">
        <button type="button" onClick={() => onPick({ seen: all, heldOut: [] })}>
          Calibrate on all
        </button>
        <button type="button" onClick={() => onPick({ seen: all.filter(isEven), heldOut: all.filter((_, n) => !isEven(_, n)) })}>
          Hold every second out
        </button>
        <span className="soft small">
          {picked.seen.length} to calibrate on, {picked.heldOut.length} held out
        </span>
      </div>
    </>
  );
}

const isEven = (_: unknown, n: number) => n % 2 === 0;
