// Answers on their way: kept in the browser until the server has acknowledged them. Pure: storage and network are given.

const AT_ONCE = 50;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** An id that two browsers never choose alike; crypto.randomUUID is missing on plain http to another machine. */
export function uuid(random = globalThis.crypto) {
  if (random.randomUUID) return random.randomUUID();
  const bytes = random.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * The answers of one person to one run that the server has not acknowledged. Each has a key of its own in the storage,
 * so that two tabs of the person never overwrite each other's.
 */
export class Outbox {
  constructor(storage, run, person) {
    this._storage = storage;
    this._prefix = `laud-annotate/${run}/${encodeURIComponent(person)}/`;
    this._memory = new Map(); // what the storage would not take
    this._last = 0;
  }

  /** Keep an answer; returns false where it is kept in this tab's memory only. */
  add(answer, now) {
    this._last = Math.max(now, this._last + 1); // in the order of answering, also within a millisecond
    const key = `${this._prefix}${String(this._last).padStart(15, "0")}-${answer.id}`;
    const text = JSON.stringify({ answer, kept: this._last, refused: null });
    try {
      this._storage.setItem(key, text);
      return true;
    } catch {
      this._memory.set(key, text);
      return false;
    }
  }

  /** The answers that wait to be sent, the oldest first. */
  waiting() {
    return this._all().filter(({ refused }) => !refused).map(({ answer }) => answer);
  }

  /** Answers that the server will never take, as {answer, refused}; they stay until somebody has seen them. */
  refused() {
    return this._all().filter(({ refused }) => refused);
  }

  /** When the oldest answer that waits was given, in ms; null where none waits. */
  oldest() {
    return this._all().find(({ refused }) => !refused)?.kept ?? null;
  }

  /** The answer that a change of the storage brought; null where the key is none of this person's. */
  read(key, text) {
    try {
      return key.startsWith(this._prefix) ? JSON.parse(text).answer : null;
    } catch {
      return null;
    }
  }

  /** The server has an answer, or somebody has seen that it was refused. */
  drop(id) {
    for (const key of this._keys().filter((key) => key.endsWith(id))) {
      this._memory.delete(key);
      this._storage.removeItem(key);
    }
  }

  refuse(id, message) {
    for (const { key, ...kept } of this._all().filter(({ answer }) => answer.id === id)) {
      const text = JSON.stringify({ answer: kept.answer, kept: kept.kept, refused: message });
      if (this._memory.has(key)) this._memory.set(key, text);
      else this._storage.setItem(key, text);
    }
  }

  _keys() {
    const kept = Array.from({ length: this._storage.length }, (_, i) => this._storage.key(i));
    return [...kept.filter((key) => key?.startsWith(this._prefix)), ...this._memory.keys()].sort();
  }

  _all() {
    return this._keys().flatMap((key) => {
      try {
        const { answer, kept, refused } = JSON.parse(this._memory.get(key) ?? this._storage.getItem(key));
        return answer?.id ? [{ key, answer, kept, refused }] : [];
      } catch {
        return []; // another tab has just removed it, or it is none of ours
      }
    });
  }
}

/**
 * Sends what waits in an outbox, one request at a time, and again until it is acknowledged.
 *
 * post(answers) resolves to what `acknowledged` is told, {receipts: [{id, ...}], ...}; it rejects with an error whose
 * `final` says that the same request will never succeed, and whose `retryAfter` may say when to try again, in seconds.
 */
export class Sender {
  constructor(outbox, { post, acknowledged, refused, failed, pause = (ms) => new Promise((done) => setTimeout(done, ms)) }) {
    Object.assign(this, { _outbox: outbox, _post: post, _pause: pause });
    Object.assign(this, { _acknowledged: acknowledged, _refused: refused, _failed: failed });
    this._running = null;
    this._wake = () => {};
  }

  /** Send what waits. Resolves when nothing does. A gentle kick leaves a pause after a failure as it is. */
  kick(gently = false) {
    if (!gently) this._wake();
    this._running ??= this._drain().finally(() => {
      this._running = null;
    });
    return this._running;
  }

  async _drain() {
    let failures = 0;
    let single = false; // after a refusal the answers go one by one, so that only the one at fault is refused
    for (;;) {
      const answers = this._outbox.waiting().slice(0, single ? 1 : AT_ONCE);
      if (!answers.length) return;
      try {
        const answered = await this._post(answers);
        for (const { id } of answered.receipts) this._outbox.drop(id);
        failures = 0;
        this._acknowledged(answered, answers);
      } catch (error) {
        if (error.final && answers.length > 1) single = true;
        else if (error.final) {
          this._outbox.refuse(answers[0].id, error.message);
          this._refused(answers[0], error);
        } else {
          this._failed(error);
          await this._rest(Math.max(FIRST_PAUSE_MS * 2 ** failures++, 1000 * (error.retryAfter ?? 0)));
        }
      }
    }
  }

  /** Wait, and less long if somebody kicks, as when the browser is online again. */
  async _rest(ms) {
    const spread = 0.75 + 0.5 * Math.random(); // twenty browsers do not come back at the same instant
    await Promise.race([
      this._pause(Math.min(ms, LONGEST_PAUSE_MS) * spread),
      new Promise((woken) => {
        this._wake = woken;
      }),
    ]);
    this._wake = () => {};
  }
}
