import { expect, test } from "vitest";

import { savedPage } from "./saved-page";

test("a saved page has its tables, runs nothing and loads nothing", () => {
  const page = savedPage("Quantise net", ["Taken: mse 2."], [{ caption: "Weights", headings: ["Layer", "mse"], rows: [["a", "30 dB"]] }]);
  expect(page).toContain("<h1>Quantise net</h1>");
  expect(page).toContain("<p>Taken: mse 2.</p>");
  expect(page).toContain('<th scope="row">a</th><td>30 dB</td>');
  expect(page).not.toMatch(/<script|<link|src=|href=|url\(/);
});

test("what users name stays text", () => {
  const sign = `<img src="x" onerror='y'>&`;
  const page = savedPage(sign, [sign], [{ caption: sign, headings: [sign], rows: [[sign, sign]] }]);
  expect(page).not.toContain("<img");
  expect(page.split("&lt;img src=&quot;x&quot; onerror=&#39;y&#39;&gt;&amp;")).toHaveLength(9);
});
