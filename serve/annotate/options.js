// Which options are offered for a question, in groups. Pure: knows no page.

const FEW = 9; // so many labels have a digit each, always the same one
export const LISTED = 50; // so many are listed without a search

/**
 * The groups of options: [{title, rows: [{label, digit, probability, votes}]}]; label is an index into the labels.
 *
 * question: {candidates: [[label, probability]] or null, answers: [{label, labels, count}] or null}.
 */
export function offered(question, index, query) {
  const labels = index.labels;
  const places = new Map(labels.map(({ name }, i) => [name, i]));
  if (query.trim()) {
    const { rows, total } = index.find(query);
    return { groups: [{ title: null, rows: rows.map((label) => ({ label, digit: null })) }], total };
  }
  const shown = new Map((question.candidates ?? []).map(([name, probability]) => [places.get(name), probability]));
  const votes = new Map(); // how many people gave each label; an answer may have several
  for (const { label, labels: several, count } of question.answers ?? []) {
    for (const name of several ?? [label]) votes.set(places.get(name), (votes.get(places.get(name)) ?? 0) + count);
  }
  const about = (label, digit) => ({ label, digit, probability: shown.get(label), votes: votes.get(label) });
  if (labels.length <= FEW) {
    return { groups: [{ title: null, rows: labels.map((_, i) => about(i, i + 1)) }], total: labels.length };
  }
  const first = [...new Set([...votes.keys(), ...shown.keys()])].filter((label) => label !== undefined).slice(0, FEW);
  const groups = [];
  if (first.length) {
    groups.push({ title: votes.size ? "Answered" : "Suggested", rows: first.map((label, i) => about(label, i + 1)) });
  }
  if (labels.length <= LISTED) {
    const others = labels.map((_, i) => i).filter((i) => !first.includes(i));
    groups.push({ title: first.length ? "All others" : null, rows: others.map((label) => ({ label, digit: null })) });
  }
  return { groups, total: labels.length };
}
