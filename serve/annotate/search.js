// Search in the names and descriptions of labels, in memory. Pure: knows no page.

export const MOST = 50; // rows that are drawn at once

/** A text without case, accents and repeated white space: "Crème  Fraîche" is "creme fraiche". */
export function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/ß/g, "ss").replace(/\s+/g, " ").trim();
}

const words = (folded) => folded.split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** Ranks, the best first; a label has the first that fits. */
const EXACT = 0, PREFIX = 1, WORDS = 2, WITHIN = 3, DESCRIBED = 4, SUBSEQUENCE = 5;

/** The labels of a task: [{name, description}], in the task's order. */
export class LabelIndex {
  constructor(labels) {
    this.labels = labels;
    this._entries = labels.map(({ name, description }, index) => {
      const folded = fold(name);
      const said = fold(description ?? "");
      return { index, folded, words: words(folded), said, saidWords: words(said) };
    });
  }

  /**
   * Find the labels that a query fits: prefix before word start before subsequence, the shorter name first.
   * Returns {rows, total}: at most `most` indices into the labels, and how many there are in all.
   */
  find(query, most = MOST) {
    const asked = fold(query);
    if (!asked) return { rows: this._entries.slice(0, most).map(({ index }) => index), total: this._entries.length };
    const parts = words(asked);
    const found = [];
    for (const entry of this._entries) {
      const rank = rankOf(entry, asked, parts);
      if (rank !== null) found.push({ entry, rank });
    }
    found.sort((a, b) => a.rank - b.rank || a.entry.folded.length - b.entry.folded.length || a.entry.index - b.entry.index);
    return { rows: found.slice(0, most).map(({ entry }) => entry.index), total: found.length };
  }
}

function rankOf(entry, asked, parts) {
  if (entry.folded === asked) return EXACT;
  if (entry.folded.startsWith(asked)) return PREFIX;
  const begins = (list) => parts.length > 0 && parts.every((part) => list.some((word) => word.startsWith(part)));
  if (begins(entry.words)) return WORDS;
  if (entry.folded.includes(asked)) return WITHIN;
  if (begins(entry.saidWords) || (asked.length > 2 && entry.said.includes(asked))) return DESCRIBED;
  const span = spanOf(entry.folded, asked.replaceAll(" ", ""));
  return span === null ? null : SUBSEQUENCE + span / (span + 1000); // letters that lie closer together come first
}

/** How many letters of a name it takes to hold the asked ones in their order; null where it does not hold them. */
function spanOf(name, asked) {
  let at = -1;
  let first = 0;
  for (const letter of asked) {
    at = name.indexOf(letter, at + 1);
    if (at < 0) return null;
    if (letter === asked[0] && first === 0) first = at;
  }
  return at - first + 1;
}
