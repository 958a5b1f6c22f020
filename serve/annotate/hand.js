// The questions that this page holds: the one that is shown, and the next ones, fetched ahead. Pure: knows no page.

/** Questions are {id, text, candidates, ...}; the first one is shown. */
export class Hand {
  constructor(ahead = 3) {
    this._ahead = ahead;
    this._questions = [];
    this._answered = new Set(); // here, whether or not the server knows it already
  }

  get current() {
    return this._questions[0] ?? null;
  }

  get ids() {
    return this._questions.map(({ id }) => id);
  }

  /**
   * How many questions to ask the server for. It counts those whose answers are still on their way; one that was brought
   * back is asked for anew.
   */
  wanted(unsent) {
    return Math.max(1 + this._ahead, this._questions.length) + unsent;
  }

  /** Whether more are needed. */
  get isShort() {
    return this._questions.length < 1 + this._ahead;
  }

  /** Add what the server gave; what is here already or was answered here is left out. */
  add(questions) {
    const here = new Set(this.ids);
    const fresh = questions.filter(({ id }) => !here.has(id) && !this._answered.has(id));
    this._questions.push(...fresh);
    return fresh.length;
  }

  /** The shown question is answered: it makes room for the next one. */
  answer() {
    const question = this._questions.shift();
    this._answered.add(question.id);
    return question;
  }

  /** Bring a question back, in front of all others. */
  bringBack(question) {
    this._answered.delete(question.id);
    this._questions = [question, ...this._questions.filter(({ id }) => id !== question.id)];
  }

  /** The server refused the answer: the question may come again. */
  reopen(id) {
    this._answered.delete(id);
  }

  /** Leave out questions; returns whether the shown one was among them. */
  drop(ids) {
    const gone = new Set(ids);
    const before = this.current;
    this._questions = this._questions.filter(({ id }) => !gone.has(id));
    return before !== this.current;
  }

  /** What was answered in another tab of the same person. */
  answeredElsewhere(id) {
    this._answered.add(id);
    return this.drop([id]);
  }
}
