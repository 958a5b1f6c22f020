// The server's routes. Pure, but for fetch and the token's place.

import { uuid } from "./outbox.js";

const TOKEN = "laud-annotate-token";
const PATIENCE_MS = 15_000;

export class ServerError extends Error {
  constructor(status, message, { code = null, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }

  /** Whether the server itself says that the same request will never succeed; a proxy's 404 may be over soon. */
  get final() {
    return this.status === 422 && this.code === "invalid";
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

const TAB = "laud-annotate-holder", LEFT = "laud-annotate-left";

/** The name of this tab. One that is reloaded keeps it, and with it its questions; a duplicated one gets its own. */
export const tab = {
  name() {
    const kept = sessionStorage.getItem(LEFT) && sessionStorage.getItem(TAB);
    sessionStorage.removeItem(LEFT);
    sessionStorage.setItem(TAB, kept || uuid());
    return sessionStorage.getItem(TAB);
  },
  leave: () => sessionStorage.setItem(LEFT, "yes"),
};

/** A link that ends in #token=... brings the token along; it is taken out of the address at once. */
export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  token.set(given);
  history.replaceState(null, "", location.pathname);
}

/** GET, or POST where there is a body; returns the JSON answer or throws a ServerError of one line. */
export async function ask(path, body, { keepalive = false } = {}) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET", headers, keepalive, body: body && JSON.stringify(body),
      signal: keepalive ? undefined : AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new ServerError(0, "The server cannot be reached.");
  }
  const answer = await response.json().catch(() => null); // a proxy in front may answer with plain text
  if (response.ok && answer) return answer;
  const line = answer?.error?.message ?? `The server answered ${response.status} ${response.statusText}`.trim();
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  throw new ServerError(response.status, line, { code: answer?.error?.code ?? null, retryAfter });
}
