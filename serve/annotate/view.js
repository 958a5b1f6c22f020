// What is drawn: the question, the options, and what the page says. Texts and labels are inserted as text, never as markup.

import { offered } from "./options.js";

export const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));

export const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const percent = (fraction) => `${Math.round(100 * fraction)} %`;
export const copy = (template) => template.content.firstElementChild.cloneNode(true);
const LONG = 140, LONGER = 700; // characters from which on a text is set smaller
export const KEYBOARD = !matchMedia("(hover: none) and (pointer: coarse)").matches;

/** Put the cursor into the field; not on a phone, where that would open its keyboard over half of the page. */
export function focusField() {
  if (KEYBOARD && !page.work.hidden && !page.proposals.contains(document.activeElement)) page.field.focus({ preventScroll: true });
}

/** What the person just did, read out politely; `care` is for what they should look at. */
export function say(text, { care = false } = {}) {
  page.said.classList.toggle("care", care);
  page.said.textContent = text;
}

export function banner(text) {
  if (page.banner.textContent !== text) page.banner.textContent = text; // not again: it would be read out again
  page.banner.hidden = !text;
}

/** Show one of the page's three faces: "work", "rest" or "access". */
export function face(name) {
  for (const one of ["work", "rest", "access"]) page[one].hidden = one !== name;
  page.actions.hidden = name !== "work";
}

export function showQuestion(question) {
  page.number.textContent = question.id;
  page.text.textContent = question.text;
  page.text.classList.toggle("long", question.text.length > LONG && question.text.length <= LONGER);
  page.text.classList.toggle("longer", question.text.length > LONGER);
  page.adjudication.hidden = !question.answers;
  page.answers.hidden = !question.answers;
  page.answers.replaceChildren(...(question.answers ?? []).map(answerRow));
}

function answerRow({ label, labels, said, count, comments }) {
  const row = copy(page["answer-row"]);
  if (labels) row.querySelector(".label").textContent = labelsInWords(labels);
  else if (label === null) row.querySelector(".label").textContent = said;
  else showLabel(row.querySelector(".label"), label);
  row.querySelector(".count").textContent = counted(count, "person", "people");
  row.querySelector(".said-with").textContent = comments.join("\n");
  return row;
}

/** Open or close the comment; one that holds something stays in sight. */
export function openComment(open, focus = false) {
  page["comment-box"].hidden = !open && !page.comment.value.trim();
  document.querySelector('[data-command="comment"]').setAttribute("aria-expanded", !page["comment-box"].hidden);
  if (focus) (open ? page.comment : page.field).focus();
}

const placeholder = (digits) =>
  digits ? `Press ${digits === 1 ? "1" : `1 ${digits === 2 ? "or" : "to"} ${digits}`}, or type a label` : "Type a label";

let shorten = (label) => ({ name: label, above: [] });

/** Set how a label is shown: its name, and the names above it in a tree. */
export function showLabelsAs(parts) {
  shorten = parts;
}

/** Show a label: the name, and what is above it smaller. */
export function showLabel(element, label) {
  const { name, above } = shorten(label);
  element.textContent = name;
  if (!above.length) return;
  const path = document.createElement("small");
  path.className = "path";
  showPath(path, above);
  element.append(" ", path);
}

/** Show the names above a label in one line, in which long ones are cut; the title has all of it. */
export function showPath(element, above) {
  element.title = above.join(" › ");
  const names = above.map((name) => Object.assign(document.createElement("span"), { textContent: name }));
  element.replaceChildren(...names.flatMap((name, i) => (i ? [" › ", name] : [name])));
}

/** A label in a line of text, with what is right above it: "Green tea (Tea)". */
export function inWords(label) {
  const { name, above } = shorten(label);
  return above.length ? `${name} (${above.at(-1)})` : name;
}

/** The labels of an answer that may have several. */
export const labelsInWords = (labels) => labels.join("; ") || "no label";

/** The options below the field: one list box, of which at most 50 rows are drawn. */
export class Options {
  constructor(index, { chosen }) {
    this._index = index;
    this._chosen = chosen;
    this._question = null;
    this._query = null;
    this._rows = []; // [{label, digit, element}]
    this._at = null;
    this._listening = new AbortController();
    const { signal } = this._listening;
    const click = ({ target }) => {
      const row = this._rows.find(({ element }) => element.contains(target));
      if (row) this.press(row, "mouse", target);
    };
    page.options.addEventListener("click", click, { signal });
    page.options.addEventListener("mousedown", (event) => event.preventDefault(), { signal }); // the cursor stays in the field
    page.options.setAttribute("role", this.isTree ? "tree" : "listbox");
    page.options.removeAttribute("aria-multiselectable");
    page.field.setAttribute("aria-haspopup", this.isTree ? "tree" : "listbox");
    page.field.maxLength = this.isTree ? 2000 : 200;
    for (const element of document.querySelectorAll(".of-tree")) element.hidden = !this.isTree;
    for (const element of document.querySelectorAll(".of-sets")) element.hidden = !this.isSet;
    for (const element of document.querySelectorAll(".of-one")) element.hidden = this.isSet;
    page.chosen.hidden = true;
  }

  /** Leave the page to other options. */
  end() {
    this._listening.abort();
  }

  /** Whether the labels are a tree, see tree.js. */
  get isTree() {
    return false;
  }

  /** Whether several labels may apply, see sets.js. */
  get isSet() {
    return false;
  }

  /** Wait until what a query finds is drawn. */
  async ready() {
    return true;
  }

  /** What a click on a row does. */
  press(row, via) {
    this._chosen(row.label, via);
  }

  /** What Enter does on the highlighted row. */
  enter(via) {
    this.press(this._rows[this._at], via);
  }

  /** How many options have a digit. */
  get digits() {
    return this._rows.filter(({ digit }) => digit).length;
  }

  /** The label that is highlighted, as an index; null where none is. Nothing is, until somebody types or moves. */
  get active() {
    return this._at === null ? null : this._rows[this._at].label;
  }

  withDigit(index) {
    return this._rows.filter(({ digit }) => digit)[index].label;
  }

  /** Draw the options of a question that fit what is in the field. */
  draw(question, query) {
    if (question === this._question && query === this._query) return;
    page.options.scrollTop = 0;
    this._question = question;
    this._query = query;
    const { groups, total } = offered(question, this._index, query);
    this._show(groups, total);
  }

  _show(groups, total) {
    const query = this._query;
    this._rows = [];
    const elements = groups.filter(({ rows }) => rows.length).map((group, i) => this._group(group, i));
    page.options.replaceChildren(...elements);
    const n = this._index.labels.length;
    page.options.classList.toggle("two", n === 2 && !query.trim());
    page.field.setAttribute("aria-expanded", this._rows.length > 0);
    page.options.hidden = !this._rows.length;
    page.hint.textContent = this._hint(query, total);
    if (!query) page.field.placeholder = placeholder(KEYBOARD ? this.digits : 0);
    this._highlight(query.trim() && this._rows.length ? 0 : null);
  }

  move(by) {
    const n = this._rows.length;
    if (!n) return;
    const from = this._at ?? (by > 0 ? -1 : n);
    const to = Math.abs(by) === 1 ? (from + by + n) % n : Math.min(n - 1, Math.max(0, from + by));
    this._highlight(to);
  }

  edge(last) {
    if (this._rows.length) this._highlight(last ? this._rows.length - 1 : 0);
  }

  clear() {
    this._highlight(null);
  }

  _group({ title, rows }, i) {
    const element = copy(page.group);
    const heading = element.querySelector(".title");
    heading.textContent = title ?? "";
    if (title) {
      heading.id = `group-${i}`;
      element.setAttribute("aria-labelledby", heading.id);
    } else element.setAttribute("aria-label", "Labels");
    element.append(...rows.map((row) => this._row(row)));
    return element;
  }

  _blank(row) {
    const element = copy(page.option);
    element.id = `option-${this._rows.length}`;
    this._rows.push(Object.assign(row, { element }));
    return element;
  }

  _row(row) {
    const { label, digit, probability, votes } = row;
    const element = this._blank(row);
    const { name, description } = this._index.labels[label];
    element.querySelector("bdi").textContent = name;
    element.querySelector(".about").textContent = description ?? "";
    if (digit) {
      element.querySelector(".digit").hidden = false;
      element.querySelector(".digit").textContent = digit;
    }
    const chance = element.querySelector(".chance");
    chance.hidden = probability === undefined && votes === undefined;
    if (votes !== undefined) {
      chance.querySelector("i").remove();
      chance.querySelector("b").textContent = counted(votes, "person", "people");
    } else if (probability !== undefined) {
      chance.querySelector("i").style.setProperty("--v", probability);
      chance.querySelector("b").textContent = percent(probability);
    }
    return element;
  }

  _highlight(at) {
    if (this._at !== null) this._rows[this._at]?.element.setAttribute("aria-selected", "false");
    for (const element of page.options.querySelectorAll('[aria-selected="true"]')) element.setAttribute("aria-selected", "false");
    this._at = at;
    if (at === null) return page.field.removeAttribute("aria-activedescendant");
    const { element } = this._rows[at];
    element.setAttribute("aria-selected", "true");
    page.field.setAttribute("aria-activedescendant", element.id);
    if (!this._query.trim() || at > 0) element.scrollIntoView({ block: "nearest" });
  }

  _hint(query, total) {
    const n = this._index.labels.length;
    if (query.trim()) {
      if (!total) return `No label fits. Escape empties the field; “None fits” answers that there is none.`;
      return total > this._rows.length ? `The first ${this._rows.length} of ${counted(total, "label", "labels")} that fit.` : "";
    }
    return n > 50 ? `Type to search all ${n.toLocaleString("en")} labels.` : "";
  }
}
