// The nodes of a taxonomy that the page has heard of so far. There may be tens of thousands, so they are asked for a few
// at a time: by search, or by unfolding the tree. Pure: knows no page.

const KEPT = 100; // searches that are not asked for again

/** A label of a taxonomy is a path; the last name of it, and those above. */
export const split = (label, separator) => {
  const above = label.split(separator);
  return { name: above.pop(), above };
};

/** Nodes have numbers, in the order in which they were heard of: indices into `labels`, as options have them. */
export class NodeIndex {
  /**
   * tree: {separator, nodes, leaves, levels, parts: [{under, from, rows, total}]}, the top first; get(path) asks the server.
   */
  constructor({ parts, ...size }, get) {
    Object.assign(this, size);
    this._get = get;
    this.labels = []; // [{name, last, above, code, description, leaves}]; name is the whole path, leaves is 0 for a leaf
    this._numbers = new Map(); // of the paths
    this._below = new Map(); // number of a node, or null for the top -> {from, rows: [number], total}
    this._found = new Map(); // query -> {rows: [number], total}
    for (const { under, ...part } of parts) this._keepBelow(under === null ? null : this.number(under), part);
    this.unfolded = [...this._below.keys()].filter((number) => number !== null); // from the beginning
  }

  get isTree() {
    return true;
  }

  add({ label, name, ...about }) {
    if (!this._numbers.has(label)) {
      this._numbers.set(label, this.labels.length);
      this.labels.push({ name: label, last: name, ...about });
    }
    return this._numbers.get(label);
  }

  /** The number of the node with a path; undefined for one that was not heard of. */
  number(label) {
    return this._numbers.get(label);
  }

  isLeaf(number) {
    return this.labels[number].leaves === 0;
  }

  /** What is right below a node, as far as it is here: {from, rows, total}, or undefined. null is above all. */
  below(number) {
    return this._below.get(number);
  }

  /** The number of the node above one; null at the top. */
  parent(number) {
    const { above } = this.labels[number];
    return above.length ? (this.number(above.join(this.separator)) ?? null) : null;
  }

  async unfold(number) {
    if (this._below.has(number)) return;
    this._keepBelow(number, await this._get(`v1/nodes?under=${encodeURIComponent(this.labels[number].name)}`));
  }

  /** Fetch more of what is right below a node: what follows, or what comes before. */
  async more(number, after) {
    const here = this._below.get(number);
    const at = after ? here.from + here.rows.length : Math.max(0, here.from - 200);
    const under = number === null ? "" : `under=${encodeURIComponent(this.labels[number].name)}&`;
    const { rows } = await this._get(`v1/nodes?${under}from=${at}`);
    const added = rows.map((row) => this.add(row)).filter((one) => !here.rows.includes(one));
    if (after) here.rows.push(...added);
    else Object.assign(here, { from: at, rows: [...added, ...here.rows] });
  }

  /** Fetch what leads to a node, and what is below it; returns the nodes to unfold. */
  async lead(number) {
    const { levels } = await this._get(`v1/nodes?at=${encodeURIComponent(this.labels[number].name)}`);
    let under = null;
    const opened = [];
    for (const { under: label, ...part } of levels) {
      under = label === null ? null : this.number(label);
      this._keepBelow(under, part);
      if (under !== null) opened.push(under);
    }
    return opened;
  }

  /** What a query found, if it is here: {rows, total}. */
  found(query) {
    return this._found.get(query.trim());
  }

  async find(query) {
    const asked = query.trim();
    if (this._found.has(asked)) return;
    const { rows, total } = await this._get(`v1/nodes?find=${encodeURIComponent(asked)}`);
    if (this._found.size >= KEPT) this._found.delete(this._found.keys().next().value);
    this._found.set(asked, { rows: rows.map((row) => this.add(row)), total });
  }

  _keepBelow(number, { from, rows, total }) {
    this._below.set(number, { from, rows: rows.map((row) => this.add(row)), total });
  }
}
