// The console's HTTP interface: types come from its OpenAPI document.

import createClient from "openapi-fetch";

import type { components, paths } from "./api-types";

export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** What the console answered instead of what was asked for; the message is for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

let csrfToken = "";

/** Remember what each change has to bring along. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

export function csrfHeaders(): Record<string, string> {
  return { "X-CSRF-Token": csrfToken };
}

export const client = createClient<paths>({ baseUrl: window.location.origin });
client.use({
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("X-CSRF-Token", csrfToken);
    return request;
  },
});

/** The answer's data, or an ApiError. */
export async function answer<Data>(
  asked: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Data> {
  const { data, error, response } = await asked.catch(sayBroken);
  if (!response.ok) throw errorOf(response.status, error);
  return data as Data;
}

/** Instead of a browser's own words for a request that got no answer; what was stopped on purpose stays that. */
export function sayBroken(error: unknown): never {
  throw error instanceof TypeError ? new ApiError(0, "Unavailable", "the way to the console broke: try again") : error;
}

export function errorOf(status: number, body: unknown): ApiError {
  const { kind = "Unknown", error = `the console answered ${status}` } = (
    typeof body === "object" && body !== null ? body : {}
  ) as { kind?: string; error?: string };
  return new ApiError(status, kind, error);
}
