// A page as one HTML file that needs nothing beside it: no server, no network, no script.

export interface SavedTable {
  caption: string;
  headings: string[];
  /** The first cell of each names the row. */
  rows: string[][];
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3em 0; }
td, th { border-bottom: 1px solid #8888; padding: .3em .8em; text-align: left; }
tbody th { font-weight: normal; }
`;

export function savedPage(title: string, sentences: string[], tables: SavedTable[]): string {
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escape(title)}</title><style>${STYLE}</style></head><body><main><h1>${escape(title)}</h1>`,
    ...sentences.map((each) => `<p>${escape(each)}</p>`),
    ...tables.map(tableOf),
    "</main></body></html>\n",
  ].join("\n");
}

/** Let the browser keep a page under a name, as it keeps what a link with `download` leads to. */
export function keepPage(name: string, page: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  link.download = `${name.replace(/[^\w.-]/g, "_")}.html`;
  link.click();
  // The download begins after this turn; until then the address must stand.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function tableOf({ caption, headings, rows }: SavedTable): string {
  const head = headings.map((each) => `<th scope="col">${escape(each)}</th>`).join("");
  const body = rows.map(([name = "", ...cells]) => {
    const rest = cells.map((each) => `<td>${escape(each)}</td>`).join("");
    return `<tr><th scope="row">${escape(name)}</th>${rest}</tr>`;
  });
  return (
    `<div class="scroll" role="region" tabindex="0" aria-label="${escape(caption)}"><table><caption>${escape(caption)}</caption>` +
    `<thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table></div>`
  );
}

const SIGNS: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => SIGNS[sign]!);
}
