// Talks to the server. Any response that isn't a success is thrown as a Refusal, which game.js shows as a page.

import { prepare } from "./geometry.js";

export class Refusal extends Error {
  constructor(status, message, retryAfterS = 0) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

async function call(method, path, { body, signal } = {}) {
  const response = await fetch(path, {
    method,
    signal,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (response.ok) return answer;
  throw new Refusal(response.status, answer.message, Number(response.headers.get("Retry-After")));
}

export const get = (path, signal) => call("GET", path, { signal });
export const post = (path, body = {}, signal = undefined) => call("POST", path, { body, signal });

let world;

/** The countries as maps need them, fetched once. */
export function countries() {
  world ??= get("/api/world").then(prepare).catch((error) => {
    world = undefined;
    throw error;
  });
  return world;
}

/** The account that is logged in, or null. */
export async function account(signal) {
  try {
    return await get("/api/me", signal);
  } catch (refusal) {
    if (refusal.status === 401) return null;
    throw refusal;
  }
}
