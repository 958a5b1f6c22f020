// The labels that an update proposes. Whoever adjudicates accepts them, merges them into a label, or refuses them.

import { ask } from "./client.js";
import { copy, counted, page, say } from "./view.js";

let drawn = ""; // what is drawn now

/**
 * Show the open proposals, n of them; `me` and `labels` are those of the page, null for a taxonomy. What is drawn stays as
 * it is.
 */
export async function showProposals(n, me, labels) {
  const wanted = n ? `${n} of ${me.run} ${me.labels}` : "";
  if (wanted === drawn) return;
  drawn = wanted;
  page.proposals.hidden = !n;
  if (!n) return page["proposal-list"].replaceChildren();
  try {
    draw((await ask("v1/proposals")).proposals, me, labels);
  } catch (error) {
    drawn = ""; // the next look tries again
    throw error;
  }
}

function draw(proposals, me, labels) {
  page["proposal-list"].replaceChildren(...proposals.map((one) => rowOf(one, me, labels)));
  page.proposals.hidden = !proposals.length;
}

function rowOf(one, me, labels) {
  const row = copy(page["proposal-row"]);
  const at = (name) => row.querySelector(`.${name}`);
  at("proposed").textContent = one.name;
  at("sized").textContent = `${sizeOf(one.size)} of generation ${one.generation}.`;
  at("texts").replaceChildren(...one.texts.map((text) => Object.assign(document.createElement("li"), { textContent: text, dir: "auto" })));
  const decide = (decision, more) => send(row, me, labels, { run: me.run, proposal: one.number, decision, ...more });
  at("refuse").addEventListener("click", () => decide("refuse"));
  at("fits").textContent = one.fits === null ? "" : `The label “${one.fits}” may fit.`;
  if (labels === null) {
    at("fits").textContent += " A taxonomy changes by its file; after that, `laud labels` merges this group into a node.";
    at("accept").remove();
    at("merge").remove();
    return row;
  }
  at("accept").querySelector("input").value = one.name;
  const choice = at("merge").querySelector("select");
  choice.append(...[["Choose a label", ""], ...labels.map((name) => [name, name])].map(([text, value]) => new Option(text, value)));
  choice.value = one.fits ?? "";
  at("accept").addEventListener("submit", (event) => {
    event.preventDefault();
    decide("accept", { name: at("accept").querySelector("input").value.trim() || null });
  });
  at("merge").addEventListener("submit", (event) => {
    event.preventDefault();
    decide("merge", { label: choice.value });
  });
  return row;
}

const sizeOf = ({ value, low, high }) => {
  const said = counted(value, "document", "documents");
  return low === high ? said : `About ${said} [${low.toLocaleString("en")}, ${high.toLocaleString("en")}]`;
};

async function send(row, me, labels, decision) {
  const buttons = [...row.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  const problem = row.querySelector(".problem");
  problem.hidden = true;
  try {
    const { said, proposals } = await ask("v1/proposals", decision);
    say(said);
    drawn = proposals.length ? `${proposals.length} of ${me.run} ${me.labels}` : "";
    draw(proposals, me, labels);
    page["proposals-title"].focus();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    for (const button of buttons) button.disabled = false;
  }
}
