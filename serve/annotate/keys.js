// What a key means. Pure: knows no page.

/** With Alt, so that none of them can fire while somebody types; each has a button too. */
export const COMMANDS = { z: "undo", u: "unsure", o: "none", n: "comment", g: "guideline", x: "examples", p: "past" };
export const TREE_COMMANDS = { b: "branch", t: "tree" };

/**
 * What a key press in the label field means; null where the browser does what it always does.
 *
 * state: {empty, digits, tree}: whether the field is empty, how many options have a digit, and whether they are a tree.
 * Returns {kind: "choose", index} | {kind: "move", by} | {kind: "edge", last} | {kind: "answer"} | {kind: "clear"} |
 * {kind: "answer", all: true} (with Ctrl) | {kind: "unfold"} | {kind: "fold"} | {kind: "command", name} | {kind: "none"}; "none" is a press that must do nothing at all.
 */
export function meaning(event, { empty, digits, tree = false }) {
  if (event.isComposing || event.keyCode === 229) return null; // an input method is choosing characters
  const command = commandOf(event, tree);
  if (command) return event.repeat ? { kind: "none" } : { kind: "command", name: command };
  if (event.ctrlKey && event.key === "Enter" && !event.altKey && !event.metaKey) {
    return event.repeat ? { kind: "none" } : { kind: "answer", all: true };
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "Enter") return event.repeat ? { kind: "none" } : { kind: "answer" };
  if (event.key === "Escape") return { kind: "clear" };
  if (event.key === "ArrowDown" || event.key === "ArrowUp") return { kind: "move", by: event.key === "ArrowDown" ? 1 : -1 };
  if (event.key === "PageDown" || event.key === "PageUp") return { kind: "move", by: event.key === "PageDown" ? 8 : -8 };
  // With text in the field these move the cursor within it.
  if (tree && empty && !event.shiftKey && event.key === "ArrowRight") return { kind: "unfold" };
  if (tree && empty && !event.shiftKey && event.key === "ArrowLeft") return { kind: "fold" };
  if (empty && (event.key === "Home" || event.key === "End")) return { kind: "edge", last: event.key === "End" };
  if (empty && !event.shiftKey && /^[1-9]$/.test(event.key) && Number(event.key) <= digits) {
    return event.repeat ? { kind: "none" } : { kind: "choose", index: Number(event.key) - 1 };
  }
  return null;
}

/** The command of a press with Alt alone; AltGr, which types letters in many languages, is none. */
export function commandOf(event, tree = false) {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.getModifierState?.("AltGraph")) return null;
  // On a Mac, Alt and a letter is another character: there the place of the key counts.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
  return COMMANDS[letter] ?? (tree ? TREE_COMMANDS[letter] : undefined) ?? null;
}
