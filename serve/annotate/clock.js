// How long somebody really worked on a question, and whether answers come too fast. Pure: knows no page.

const IDLE_MS = 60_000; // without any input for so long, nobody is taken to be working

/** Counts the time while the page is visible and the last input is less than a minute ago. Times are in ms. */
export class ActiveClock {
  constructor(now, visible = true) {
    this._visible = visible;
    this.start(now);
  }

  /** A question is shown. */
  start(now) {
    this._total = 0;
    this._from = this._input = now;
  }

  input(now) {
    this._count(now);
    this._input = now;
  }

  visible(visible, now) {
    this._count(now);
    this._visible = visible;
    if (visible) this._input = now; // whoever comes back works again
  }

  seconds(now) {
    this._count(now);
    return this._total / 1000;
  }

  /** For how long there was no input. */
  idle(now) {
    return now - this._input;
  }

  _count(now) {
    const end = Math.min(now, this._input + IDLE_MS);
    if (this._visible && end > this._from) this._total += end - this._from;
    this._from = Math.max(this._from, now);
  }
}

const FAST_S = 1;
const IN_A_ROW = 4;

/** Notices when several answers in a row took less than a second each, so that the page can say so; it blocks nothing. */
export class Haste {
  constructor() {
    this._fast = 0;
  }

  /** Count an answer; true when it is time to say something, once for each row of fast answers. */
  isHasty(seconds) {
    this._fast = seconds < FAST_S ? this._fast + 1 : 0;
    return this._fast === IN_A_ROW;
  }
}
