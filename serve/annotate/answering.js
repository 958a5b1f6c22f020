// One person's work on one run: the questions held, the answers given, and those on their way. It draws nothing itself.

import { ask } from "./client.js";
import { ActiveClock, Haste } from "./clock.js";
import { Hand } from "./hand.js";
import { Outbox, Sender, uuid } from "./outbox.js";

const FEW = 9; // labels that are all shown, in the task's order

export class Answering {
  /**
   * about: {me, index, holder}; me as the server gives it, index a LabelIndex, holder the name of this tab.
   * seen: what to tell the page: changed(), past(list), say(text, options), well(), failed(error), sent(waiting).
   */
  constructor({ me, index, holder }, seen) {
    Object.assign(this, { me, index, _holder: holder, _seen: seen });
    this.hand = new Hand();
    this.outbox = new Outbox(localStorage, me.run, me.person);
    this.clock = new ActiveClock(performance.now(), !document.hidden);
    this.past = []; // the last answers, the newest first: [{question, vote, final}]
    this._haste = new Haste();
    this._refilling = false;
    for (const { question, answer } of this.outbox.waiting()) {
      if (answer === "undo") this.hand.reopen(question);
      else this.hand.answeredElsewhere(question);
    }
    this._sender = new Sender(this.outbox, {
      post: (votes) => this._post(votes),
      acknowledged: (answered, votes) => this._acknowledged(answered, votes),
      refused: (vote, error) => this._refused(vote, error),
      failed: seen.failed,
    });
  }

  get waiting() {
    return this.outbox.waiting().length;
  }

  send(gently = false) {
    return this._sender.kick(gently);
  }

  _body(more) {
    return { run: this.me.run, holder: this._holder, ...more };
  }

  // ---- Questions

  async refill() {
    if (this._refilling || !this.hand.isShort) return;
    this._refilling = true;
    await this._try(async () => {
      const { questions } = await ask("v1/next", this._body({ n: this.hand.wanted(this.waiting) }));
      this.hand.add(questions);
    });
    this._refilling = false;
    this._seen.changed();
  }

  /** Keep the questions for longer. Those that went to somebody else meanwhile are left out, but for the one in sight. */
  async renew(inSight) {
    await this._try(async () => {
      const { held } = await ask("v1/renew", this._body({ questions: this.hand.ids }));
      const kept = new Set([...held, inSight?.id]);
      this.hand.drop(this.hand.ids.filter((id) => !kept.has(id)));
    });
  }

  /** Give the questions back to others, while the page is closed. */
  release() {
    const questions = this.hand.ids;
    if (questions.length) ask("v1/release", this._body({ questions }), { keepalive: true }).catch(() => {});
  }

  async _try(action) {
    try {
      await action();
      this._seen.well();
    } catch (error) {
      this._seen.failed(error);
    }
  }

  // ---- Answers

  /**
   * Answer the question in sight; label is an index, or a list of them where several may apply, or null for "unsure" and
   * "none".
   */
  answer(kind, via, label, comment) {
    const question = this.hand.answer();
    const seconds = Math.round(1000 * this.clock.seconds(performance.now())) / 1000;
    const name = (one) => this.index.labels[one].name;
    const said = Array.isArray(label) ? { labels: label.map(name) } : { label: label === null ? null : name(label) };
    const vote = {
      id: uuid(), question: question.id, answer: kind, ...said, comment: comment || null, seconds,
      shown: this._shownTo(question), via, answered_at: new Date().toISOString(),
    };
    this._keep(vote);
    this._setPast([{ question, vote, final: false }, ...this.past]);
    return { vote, hasty: this._haste.isHasty(seconds) };
  }

  /** The suggested labels in the order in which they were drawn; null where none was. */
  _shownTo({ candidates }) {
    if (!candidates?.length) return null;
    const names = candidates.map(([name]) => name);
    const all = this.index.labels.map(({ name }) => name);
    if (this.index.isTree) return names.filter((name) => this.index.number(name) !== undefined);
    return all.length > FEW ? names : all.filter((name) => names.includes(name));
  }

  _keep(vote) {
    if (!this.outbox.add(vote, Date.now())) {
      this._seen.say("This browser cannot keep answers: leave the page open until they are sent.", { care: true });
    }
    this._seen.sent(this.waiting);
    this.send();
  }

  _post(votes) {
    const next = this.hand.wanted(Math.max(0, this.waiting - votes.length));
    return ask("v1/votes", this._body({ votes, next }));
  }

  _acknowledged({ receipts, questions }, votes) {
    this.hand.add(questions);
    this._seen.well();
    this._seen.sent(this.waiting);
    for (const { id, outcome, reason, question } of receipts) {
      if (outcome === "refused") this._refused(votes.find((vote) => vote.id === id), { message: reason });
      if (outcome === "late") {
        this._seen.say(`${question} had been settled before your answer came: it is kept, but does not count.`, { care: true });
      }
    }
    this._seen.changed();
  }

  _refused(vote, error) {
    const item = this.past.find((one) => one.vote.id === vote.id);
    if (item) this.hand.reopen(item.question.id);
    if (vote.answer === "undo" && this.hand.drop([vote.question])) this._seen.changed();
    this.outbox.drop(vote.id);
    this._setPast(this.past.filter((one) => one !== item));
    this._seen.say(`Not recorded: ${error.message}.`, { care: true });
  }

  // ---- Taking back

  async loadPast() {
    await this._try(async () => {
      const { answers } = await ask("v1/history");
      const here = new Set(this.past.map(({ vote }) => vote.id));
      this._setPast([...this.past, ...answers.filter(({ vote }) => !here.has(vote.id))]);
    });
  }

  get lastOpen() {
    return this.past.find(({ final }) => !final);
  }

  /** Take an answer back: its question is asked again, here and at once. */
  undo(item) {
    this._setPast(this.past.filter((one) => one !== item));
    const { question, vote } = item;
    this.hand.bringBack(question);
    const answered_at = new Date().toISOString();
    this._keep({ id: uuid(), question: question.id, answer: "undo", undoes: vote.id, via: "key", answered_at });
  }

  /** What another tab of the same person put into the storage; true if it answered a question that is held here. */
  otherTab(key, text) {
    const vote = key && text && this.outbox.read(key, text);
    return Boolean(vote) && vote.answer !== "undo" && this.hand.answeredElsewhere(vote.question);
  }

  _setPast(past) {
    this.past = past;
    this._seen.past(past);
  }
}
