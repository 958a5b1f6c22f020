// What stands beside the question: progress, guideline, the person's last answers, similar texts.

import { ask } from "./client.js";
import { copy, counted, inWords, labelsInWords, page, say, showLabel } from "./view.js";

const MOST_PAST = 20;

let who = "";

export function showTask({ task, person, role, guideline, anonymous }) {
  page.task.textContent = task;
  document.title = `${task}: answer questions`;
  who = anonymous ? "" : role === "annotator" ? `${person}: ` : `${person}, ${role}: `;
  page["guideline-box"].hidden = !guideline;
  page.guideline.textContent = guideline;
  const wide = matchMedia("(min-width: 901px)").matches;
  page["guideline-box"].open = Boolean(guideline) && wide;
  page["past-box"].open = wide;
  page.forget.hidden = anonymous;
}

export function showProgress({ share, step, figures, finished, mine, open }) {
  page.who.textContent = `${who}${counted(mine, "question", "questions")} answered`;
  page.progress.hidden = false;
  page.share.style.setProperty("--v", share);
  page.step.textContent = step;
  page.figures.textContent = figures ?? "";
  page["rest-title"].textContent = finished ? "The run is finished" : "No question is open";
  const elsewhere = open ? `${counted(open, "open question is", "open questions are")} with somebody else, or in another tab of yours. ` : "";
  page["rest-text"].textContent = finished ? `Thank you. ${step}` : `${elsewhere}${step} This page goes on by itself.`;
}

/** How many answers are on their way; nothing is said while all is well. */
export function showSent(waiting) {
  page.sent.textContent = waiting ? `${counted(waiting, "answer is", "answers are")} on the way.` : "";
}

const NO_LABEL = { unsure: "unsure", none: "none fits" };

/** An answer in a line of text. */
export const saidOf = ({ answer, label, labels }) => NO_LABEL[answer] ?? (labels ? labelsInWords(labels) : inWords(label));

/** The last answers, the newest first: [{question, vote, final}]. */
export function showPast(past, change) {
  page["past-note"].hidden = past.length > 0;
  page.past.replaceChildren(
    ...past.slice(0, MOST_PAST).map((item) => {
      const row = copy(page["past-row"]);
      row.querySelector(".what").textContent = item.question.text;
      const { answer, label, labels } = item.vote;
      if (NO_LABEL[answer] || labels) row.querySelector(".label").textContent = saidOf(item.vote);
      else showLabel(row.querySelector(".label"), label);
      const button = row.querySelector("button");
      button.setAttribute("aria-label", `Change the answer to ${item.question.text.slice(0, 60)}`);
      if (item.final) button.remove();
      else button.addEventListener("click", () => change(item));
      return row;
    }),
  );
}

export function toggle(box) {
  if (box.hidden) return say("There is no guideline.");
  box.open = !box.open;
  if (box.open) box.scrollIntoView({ block: "nearest" });
}

/** Show texts that are like a question's, or hide them. current() is the question in sight when the answer comes. */
export async function toggleExamples(question, current) {
  if (!page["examples-box"].hidden && page["examples-box"].open) return hideExamples();
  try {
    const found = await ask(`v1/examples?question=${encodeURIComponent(question.id)}`);
    if (question === current()) showExamples(found);
  } catch (error) {
    say(error.message, { care: true });
  }
}

function showExamples({ examples, reason }) {
  const rows = examples.map(({ text, label }) => {
    const row = copy(page["example-row"]);
    row.querySelector(".what").textContent = text;
    showLabel(row.querySelector(".label"), label);
    return row;
  });
  if (!rows.length) {
    const row = document.createElement("li");
    row.textContent = reason ?? "There are none yet.";
    rows.push(row);
  }
  page.examples.replaceChildren(...rows);
  page["examples-box"].hidden = false;
  page["examples-box"].open = true;
}

export function hideExamples() {
  page["examples-box"].hidden = true;
}
