// The options where several labels may apply: each is a toggle, and the chosen ones are the answer together.

import { KEYBOARD, Options, copy, counted, page, say } from "./view.js";

/** The chosen labels, within the limits of an answer. Pure: knows no page. */
export class Chosen {
  /** labels: [{name}]; limits: {at_most: number or null, exclusive: [[name]]}. */
  constructor(labels, { at_most, exclusive }) {
    this._most = at_most ?? Infinity;
    const places = new Map(labels.map(({ name }, i) => [name, i]));
    this._groups = exclusive.map((group) => group.map((name) => places.get(name)));
    this._labels = new Set();
  }

  /** Indices of the chosen labels, in the order in which they were chosen. */
  get labels() {
    return [...this._labels];
  }

  has(label) {
    return this._labels.has(label);
  }

  clear() {
    this._labels.clear();
  }

  /**
   * Choose a label, or take it away again. Those that it excludes are taken away.
   *
   * Returns {on, removed: [labels]}, or {full: most} if there are as many as an answer may have.
   */
  toggle(label) {
    if (this._labels.delete(label)) return { on: false, removed: [] };
    const removed = this._groups
      .filter((group) => group.includes(label))
      .flat()
      .filter((other) => other !== label && this._labels.has(other));
    if (this._labels.size - new Set(removed).size >= this._most) return { full: this._most };
    for (const other of removed) this._labels.delete(other);
    this._labels.add(label);
    return { on: true, removed };
  }
}

export class SetOptions extends Options {
  constructor(index, limits, seen) {
    super(index, seen);
    this._chosen_labels = new Chosen(index.labels, limits);
    this._limits = limits;
    this._place = null; // of the row that was toggled last, where the arrow keys go on
    page.options.setAttribute("aria-multiselectable", "true");
  }

  get isSet() {
    return true;
  }

  get labels() {
    return this._chosen_labels.labels;
  }

  press({ label }) {
    const { on, removed, full } = this._chosen_labels.toggle(label);
    const name = (one) => this._index.labels[one].name;
    if (full) say(`An answer has at most ${counted(full, "label", "labels")}: take one away first.`, { care: true });
    else if (removed.length) say(`${name(label)} excludes ${removed.map(name).join(" and ")}, which is taken away.`);
    else say(on ? `Chosen: ${name(label)}.` : `Taken away: ${name(label)}.`);
    this._mark();
  }

  /** Toggle the highlighted row. Then nothing is highlighted, so that Enter answers; the arrow keys go on from there. */
  enter(via) {
    const at = this._at;
    this.press(this._rows[at], via);
    this._place = at;
    this._highlight(null);
  }

  move(by) {
    if (this._at === null && this._place !== null && this._place < this._rows.length) this._at = this._place;
    this._place = null;
    super.move(by);
  }

  toggleDigit(index) {
    this.press(this._rows.filter(({ digit }) => digit)[index]);
  }

  /** Choose the labels of an earlier answer. */
  choose(names) {
    this._chosen_labels.clear();
    const wanted = new Set(names ?? []);
    this._index.labels.forEach(({ name }, i) => wanted.has(name) && this._chosen_labels.toggle(i));
    this._mark();
  }

  draw(question, query) {
    if (question !== this._question) this._chosen_labels.clear();
    if (query !== this._query) this._place = null;
    super.draw(question, query);
    this._mark();
  }

  _show(groups, total) {
    super._show(groups, total);
    page.options.classList.remove("two");
  }

  _hint(query, total) {
    const most = this._limits.at_most;
    const said = super._hint(query, total).replace("“None fits” answers that there is none", "“No label” answers that none applies");
    return [said, most && !query.trim() ? `At most ${counted(most, "label", "labels")}.` : ""].filter(Boolean).join(" ");
  }

  /** Draw which labels are chosen: in the list, and above it, where they stay in sight. */
  _mark() {
    for (const { label, element } of this._rows) element.setAttribute("aria-checked", this._chosen_labels.has(label));
    page.chosen.hidden = !this.labels.length;
    page.chosen.replaceChildren(...this.labels.map((label) => this._chip(label)));
    page.count.textContent = this.labels.length || "";
    page.submit.classList.toggle("primary", this.labels.length > 0);
    if (KEYBOARD) page.field.placeholder = this._invitation();
  }

  _invitation() {
    const digits = this.digits;
    const keys = digits ? `${digits === 1 ? "1" : `1 to ${digits}`}, or type a label` : "Type a label";
    return this.labels.length ? `Enter answers; ${digits ? keys : "or type a label"}` : digits ? `Press ${keys}` : keys;
  }

  _chip(label) {
    const chip = copy(page["chosen-row"]);
    const { name } = this._index.labels[label];
    chip.querySelector("bdi").textContent = name;
    const button = chip.querySelector("button");
    button.setAttribute("aria-label", `Take away ${name}`);
    button.addEventListener("click", () => {
      this.press({ label });
      page.field.focus({ preventScroll: true });
    });
    return chip;
  }
}
