// Server-sent events of the console, also those that answer a change.

import { csrfHeaders, errorOf, sayBroken } from "./api";
import { dataOf } from "./event-data";

/** Each event's data, as they come. Raises ApiError where the console refuses; an aborted signal ends it. */
export async function* readEvents<Data>(path: string, request: RequestInit = {}): AsyncGenerator<Data> {
  const headers = { "Content-Type": "application/json", ...csrfHeaders() };
  const response = await fetch(path, { ...request, headers }).catch(sayBroken);
  if (!response.ok || !response.body) throw errorOf(response.status, await response.json().catch(() => null));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read().catch(sayBroken);
    if (done) return;
    const events = (held + value).split(/\r?\n\r?\n/);
    held = events.pop() ?? "";
    for (const event of events) {
      const data = dataOf(event);
      if (data !== null) yield JSON.parse(data) as Data;
    }
  }
}
