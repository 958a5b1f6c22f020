// The options of a taxonomy: the suggested nodes, what a search finds, and a tree to walk.

import { Options, counted, page, showPath } from "./view.js";

const PAUSE_MS = 80; // after the last letter, before it is searched
const DIGITS = 9;

/** Draws the nodes of a NodeIndex, of which it asks for more as somebody walks. */
export class TreeOptions extends Options {
  /** seen: {chosen(label, via), failed(error), moved()}. */
  constructor(index, seen) {
    super(index, seen);
    this._seen = seen;
    this._unfolded = new Set();
    this._timer = null;
    this._waiting = null; // the search that is on its way: {query, done}
  }

  get isTree() {
    return true;
  }

  /** The highlighted node that has others below it, and is a branch to answer with; null where none is. */
  get branch() {
    const label = this.active;
    return label === null || this._index.isLeaf(label) ? null : label;
  }

  /** Whether Enter, or a click, answers with the highlighted row: a leaf does, and any row with a digit. */
  get answers() {
    const row = this._rows[this._at];
    return row.label !== null && (Boolean(row.digit) || this._index.isLeaf(row.label));
  }

  draw(question, query) {
    if (question === this._question && query === this._query) return;
    page.options.scrollTop = 0;
    if (question !== this._question) {
      for (const row of question.nodes ?? []) this._index.add(row);
      this._unfolded = new Set(this._index.unfolded);
    }
    this._question = question;
    this._query = query;
    clearTimeout(this._timer);
    if (query.trim() && !this._index.found(query)) {
      page.hint.textContent = "Searching ...";
      this._timer = setTimeout(() => this._search(query), PAUSE_MS);
    } else this._redraw();
  }

  /** Wait until what a query finds is drawn; false where it cannot be found out, or something else is asked meanwhile. */
  async ready(query) {
    if (!query.trim() || this._index.found(query)) return true;
    clearTimeout(this._timer);
    await this._search(query);
    return query === this._query && this._index.found(query) !== undefined;
  }

  /** Unfold the highlighted node, or go on to what is below it. A row outside the tree is shown within it. */
  async unfold() {
    const row = this._rows[this._at];
    if (!row) return;
    if (row.more) return this._more(row);
    if (row.level === undefined) return this.lead(row.label);
    if (this._index.isLeaf(row.label)) return;
    if (this._unfolded.has(row.label)) return this.move(1);
    const question = this._question;
    if (!(await this._fetch(() => this._index.unfold(row.label))) || question !== this._question || this._query.trim()) return;
    this._unfolded.add(row.label);
    this._redraw(row.label);
  }

  /** Fold the highlighted node, or go to the one above it. */
  fold() {
    const row = this._rows[this._at];
    if (!row || row.level === undefined) return;
    if (this._unfolded.delete(row.label)) return this._redraw(row.label);
    const above = row.more ? row.under : this._index.parent(row.label);
    const at = this._rows.findIndex(({ label, level }) => level !== undefined && label !== null && label === above);
    if (at >= 0) this._highlight(at);
  }

  /** Show a node within the tree: what leads to it is unfolded, and the node itself if it is a branch. */
  async lead(label) {
    const question = this._question;
    let opened = [];
    const got = await this._fetch(async () => {
      opened = await this._index.lead(label);
    });
    if (!got || question !== this._question) return;
    for (const one of opened) this._unfolded.add(one);
    page.field.value = "";
    this._query = "";
    this._redraw(label, true);
  }

  /** What a click on a row does, or Enter: answer, unfold, fold, or show more. */
  press(row, via, target = null) {
    this._highlight(this._rows.indexOf(row));
    if (target?.closest(".this")) return this._seen.chosen(row.label, via);
    if (row.more) return this._more(row);
    if (this.answers) return this._seen.chosen(row.label, via);
    if (row.level !== undefined && this._unfolded.has(row.label)) return this.fold();
    return this.unfold();
  }

  enter(via) {
    this.press(this._rows[this._at], via);
  }

  async _search(query) {
    if (this._waiting?.query !== query) {
      this._waiting = { query, done: this._fetch(() => this._index.find(query)) };
    }
    const { done } = this._waiting;
    const found = await done;
    if (this._waiting?.done === done) this._waiting = null;
    if (query !== this._query) return;
    if (found) this._redraw();
    else page.hint.textContent = "The search does not answer. The suggestions, “Unsure” and “None fits” can still be given.";
  }

  async _fetch(action) {
    try {
      await action();
      return true;
    } catch (error) {
      this._seen.failed(error);
      return false;
    }
  }

  async _more({ under, after }) {
    const question = this._question;
    const place = this._rows[this._at - 1]?.label ?? null;
    if (!(await this._fetch(() => this._index.more(under, after))) || question !== this._question) return;
    this._redraw(after ? place : null, true);
    if (after) this.move(1);
  }

  /** Draw anew, and highlight a node; in the tree rather than among the suggestions where it is in both. */
  _redraw(label = null, inTree = false) {
    const groups = this._query.trim() ? this._results() : [...this._first(), ...this._walk()];
    const total = this._query.trim() ? this._index.found(this._query).total : this._index.nodes;
    this._show(groups, total);
    page.options.classList.toggle("found", Boolean(this._query.trim()));
    if (label === null) return;
    const places = this._rows.flatMap((row, i) => (row.label === label ? [i] : []));
    if (places.length) this._highlight(inTree ? places.at(-1) : (places.find((i) => this._rows[i].level !== undefined) ?? places[0]));
  }

  _results() {
    return [{ title: null, rows: this._index.found(this._query).rows.map((label) => ({ label, digit: null })) }];
  }

  /** The suggested nodes, or those that others answered with; each has a digit. */
  _first() {
    const { candidates, answers } = this._question;
    const shown = new Map((candidates ?? []).map(([name, probability]) => [this._index.number(name), probability]));
    const votes = new Map((answers ?? []).map(({ label, count }) => [this._index.number(label), count]));
    const first = [...new Set([...votes.keys(), ...shown.keys()])].filter((label) => label !== undefined).slice(0, DIGITS);
    const rows = first.map((label, i) => ({ label, digit: i + 1, probability: shown.get(label), votes: votes.get(label) }));
    return rows.length ? [{ title: votes.size ? "Answered" : "Suggested", rows }] : [];
  }

  _walk() {
    const rows = [];
    const walk = (under, level) => {
      const here = this._index.below(under);
      if (!here) return;
      const later = here.total - here.from - here.rows.length;
      if (here.from) rows.push({ label: null, more: here.from, after: false, under, level });
      for (const label of here.rows) {
        rows.push({ label, digit: null, level, open: this._unfolded.has(label) });
        if (this._unfolded.has(label)) walk(label, level + 1);
      }
      if (later > 0) rows.push({ label: null, more: later, after: true, under, level });
    };
    walk(null, 1);
    return [{ title: `All ${counted(this._index.leaves, "label", "labels")}, by branch`, rows }];
  }

  _row(row) {
    if (row.more) return this._moreRow(row);
    const { label, level } = row;
    const element = super._row(row);
    const { last, above, code, description, leaves } = this._index.labels[label];
    element.setAttribute("role", "treeitem");
    element.setAttribute("aria-level", level ?? 1);
    element.querySelector("bdi").textContent = last;
    const path = element.querySelector(".path");
    path.hidden = level !== undefined || !above.length;
    showPath(path, above);
    element.querySelector(".about").textContent = [code, description].filter(Boolean).join(" · ");
    const size = element.querySelector(".size");
    size.hidden = !leaves;
    size.textContent = leaves ? leaves.toLocaleString("en") : "";
    size.setAttribute("title", leaves ? counted(leaves, "label", "labels") : "");
    if (level !== undefined) element.style.setProperty("--level", level - 1);
    element.querySelector(".this").hidden = !leaves || Boolean(row.digit);
    element.classList.toggle("branch", leaves > 0);
    element.classList.toggle("node", level !== undefined);
    if (level !== undefined && leaves) element.setAttribute("aria-expanded", row.open);
    return element;
  }

  _moreRow(row) {
    const element = this._blank(row);
    element.setAttribute("role", "treeitem");
    element.setAttribute("aria-level", row.level);
    element.classList.add("node", "more");
    element.style.setProperty("--level", row.level - 1);
    element.querySelector("bdi").textContent = `${row.more.toLocaleString("en")} more ${row.after ? "below" : "above"}`;
    return element;
  }

  _highlight(at) {
    super._highlight(at);
    this._seen.moved();
  }

  _hint(query, total) {
    if (query.trim()) {
      if (!total) return "Nothing fits. Escape empties the field; “None fits” answers that no label does.";
      return total > this._rows.length ? `The first ${this._rows.length} of ${counted(total, "node", "nodes")} that fit.` : "";
    }
    return `Type to search all ${counted(this._index.leaves, "label", "labels")}, or walk the tree.`;
  }
}
