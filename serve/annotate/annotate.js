// The page on which people answer: it ties what is drawn, the keys, and the person's work on the run.

import { Answering } from "./answering.js";
import { ask, tab, takeTokenFromAddress, token } from "./client.js";
import { commandOf, meaning } from "./keys.js";
import { hideExamples, saidOf, showPast, showProgress, showSent, showTask, toggle, toggleExamples } from "./panels.js";
import { NodeIndex, split } from "./nodes.js";
import { showProposals } from "./proposals.js";
import { LabelIndex } from "./search.js";
import { SetOptions } from "./sets.js";
import { TreeOptions } from "./tree.js";
import {
  Options, banner, counted, face, focusField, inWords, openComment, page, say, showLabelsAs, showQuestion,
} from "./view.js";

const LATE_MS = 10_000; // an answer that is on its way for longer is worth a banner
const PROGRESS_S = 5;
const AWAY_MS = 300_000; // who has done nothing for so long no longer keeps questions from others
const HASTY = "Those answers took less than a second each. Take the time that you need: careful answers help the model most.";

let work = null; // the Answering of the person who is here
let options = null;
let shown = null; // the question that is drawn
let problem = ""; // why nothing can be sent or fetched

// ---- Starting

const holder = tab.name();

async function start() {
  let me, index, limits;
  try {
    me = await ask("v1/me");
    const { labels, tree, sets } = await ask("v1/labels");
    limits = sets;
    index = tree ? new NodeIndex(tree, ask) : new LabelIndex(labels);
  } catch (error) {
    failed(error);
    if (error.status !== 401) setTimeout(start, 1000);
    return;
  }
  options?.end();
  const seen = { chosen: (label, via) => answer("label", via, label), failed, moved: showActive };
  options = index.isTree ? new TreeOptions(index, seen) : limits ? new SetOptions(index, limits, seen) : new Options(index, seen);
  showLabelsAs(index.isTree ? (label) => split(label, index.separator) : (label) => ({ name: label, above: [] }));
  work = new Answering({ me, index, holder }, { changed: show, past: drawPast, say, well, failed, sent: showSent });
  showTask(me);
  drawPast([]);
  shown = null;
  show();
  await Promise.allSettled([work.send(), work.refill(), work.loadPast(), progress()]);
}

function failed(error) {
  if (error.status === undefined) throw error;
  if (error.status === 401) return askForToken(error);
  if (error.code === "other_run") return void start();
  problem = error.message;
  mind();
}

function askForToken(error) {
  banner(token.get() ? error.message : "");
  token.forget();
  work = null;
  face("access");
  page.token.focus();
}

page.access.addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(page.token.value);
  page.token.value = "";
  banner("");
  start();
});

page.forget.addEventListener("click", () => {
  token.forget();
  location.reload();
});

// ---- Questions and answers

function show() {
  const question = work?.hand.current;
  if (!work || (question && question === shown)) return;
  shown = question;
  face(question ? "work" : "rest");
  if (!question) return;
  showQuestion(question);
  page.field.value = "";
  page.comment.value = "";
  openComment(false);
  hideExamples();
  options.draw(question, "");
  work.clock.start(performance.now());
  focusField();
  window.scrollTo({ top: 0 });
}

function answer(kind, via, label = null) {
  if (!shown || shown !== work?.hand.current) return;
  const { vote, hasty } = work.answer(kind, via, label, page.comment.value.trim());
  say(hasty ? HASTY : `Answered: ${saidOf(vote)}.`, { care: hasty });
  show();
}

function undo(item = work.lastOpen) {
  if (!item) return say("There is no answer to take back.");
  work.undo(item);
  shown = null;
  show();
  if (options.isSet) options.choose(item.vote.labels);
  page.comment.value = item.vote.comment ?? "";
  say(`Taken back: ${saidOf(item.vote)}.`);
}

function drawPast(past) {
  document.querySelector('[data-command="undo"]').setAttribute("aria-disabled", !past.some(({ final }) => !final));
  showPast(past, undo);
}

// ---- Keys and buttons

page.field.addEventListener("input", () => shown && options.draw(shown, page.field.value));

page.field.addEventListener("keydown", (event) => {
  if (!shown) return;
  const key = meaning(event, { empty: page.field.value === "", digits: options.digits, tree: options.isTree });
  if (!key) return;
  event.preventDefault();
  if (key.kind === "choose") choose(key.index);
  else if (key.kind === "move") options.move(key.by);
  else if (key.kind === "edge") options.edge(key.last);
  else if (key.kind === "answer") key.all && options.isSet ? submit("key") : enter();
  else if (key.kind === "clear") clear();
  else if (key.kind === "unfold") options.unfold();
  else if (key.kind === "fold") options.fold();
});

function choose(digit) {
  if (options.isSet) options.toggleDigit(digit);
  else answer("label", "key", options.withDigit(digit));
}

/** Answer with all chosen labels; that none applies has a button of its own, so that it is no slip. */
function submit(via) {
  if (!shown) return;
  if (!options.labels.length) return say("No label is chosen: choose all that apply, or answer “No label”.");
  answer("label", via, options.labels);
}

/** Answer that no label applies. */
function none(via) {
  if (!options?.isSet) return answer("none", via);
  if (options.labels.length) return say(`${counted(options.labels.length, "label is", "labels are")} chosen: take them away first.`, { care: true });
  answer("label", via, []);
}

async function enter() {
  const [question, query] = [shown, page.field.value];
  options.draw(question, query);
  // What was typed is answered with, not what was found for the letters before.
  if (!(await options.ready(query)) || question !== shown || query !== page.field.value) return;
  const typed = query.trim();
  if (options.active !== null) {
    options.enter(typed ? "search" : "key");
    if (options.isSet) clear();
    return;
  }
  if (options.isSet && !typed) return submit("key");
  say(typed ? "No label fits what you typed." : "No label is chosen: press its digit, type its name, or use the arrow keys.");
}

function clear() {
  page.field.value = "";
  options.draw(shown, "");
  options.clear();
}

/** Answer with the highlighted branch itself: the label is below it, but none of those there fits, or it is not clear which. */
function branch(via) {
  if (!shown) return;
  if (options.branch === null) return say("No branch is highlighted: walk to one with the arrow keys, or search for it.");
  answer("label", via, options.branch);
}

/** Tell which branch "This branch" would answer with. */
function showActive() {
  const button = document.querySelector('[data-command="branch"]');
  button.setAttribute("aria-disabled", options.branch === null);
  button.title = options.branch === null ? "" : inWords(work.index.labels[options.branch].name);
  document.querySelector('[data-command="tree"]').setAttribute("aria-disabled", options.active === null);
}

const COMMANDS = {
  branch,
  tree: () => shown && (options.active === null ? say("Nothing is highlighted.") : options.lead(options.active)),
  unsure: (via) => answer("unsure", via),
  none,
  answer: submit,
  undo: () => undo(),
  comment: () => shown && openComment(page["comment-box"].hidden || document.activeElement !== page.comment, true),
  guideline: () => toggle(page["guideline-box"]),
  past: () => toggle(page["past-box"]),
  examples: () => shown && toggleExamples(shown, () => shown),
};

document.addEventListener("keydown", (event) => {
  const name = commandOf(event, options?.isTree);
  if (!name || !work) return;
  event.preventDefault();
  if (!event.repeat) COMMANDS[name]("key");
});

for (const button of document.querySelectorAll("[data-command]")) {
  button.addEventListener("click", () => {
    COMMANDS[button.dataset.command]("mouse");
    if (button.dataset.command !== "comment") focusField();
  });
}

page["comment-box"].addEventListener("submit", (event) => event.preventDefault());
page.comment.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && !(event.key === "Enter" && event.ctrlKey)) return;
  event.preventDefault();
  openComment(false, true);
});

// ---- What goes on meanwhile

async function progress() {
  try {
    const found = await ask("v1/progress");
    showProgress(found);
    if (work && found.labels !== work.me.labels) return void start(); // the labels have a new version
    if (work) await showProposals(found.proposals, work.me, work.index.isTree ? null : work.index.labels.map(({ name }) => name));
  } catch (error) {
    failed(error);
  }
}

let due = null;

/** Something went well: nothing stands in the way any more, and soon there is something new to count. */
function well() {
  problem = "";
  mind();
  due ??= setTimeout(() => {
    due = null;
    if (work) progress();
  }, 1200);
}

/** Say what stands in the way: answers that do not get through, or questions that cannot be fetched. */
function mind() {
  if (!page.access.hidden) return;
  const oldest = work?.outbox.oldest() ?? null;
  if (oldest !== null && Date.now() - oldest > LATE_MS) {
    const kept = counted(work.waiting, "answer is", "answers are");
    banner(`${problem || "The server is slow."} ${kept} kept in this browser and sent as soon as possible.`);
  } else banner(problem && !work?.hand.current ? problem : "");
}

let ticks = 0;
setInterval(() => {
  if (!work) return;
  ticks += 1;
  mind();
  if (work.waiting) work.send(true);
  if (document.hidden) return;
  if (ticks % PROGRESS_S === 0) progress();
  if (ticks % (work.hand.current ? PROGRESS_S : 2) === 0) work.refill();
  const every = Math.max(5, Math.floor(work.me.lease / 3));
  if (ticks % every === 0 && work.clock.idle(performance.now()) < AWAY_MS && work.hand.current) work.renew(shown);
}, 1000);

for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
  addEventListener(kind, () => work?.clock.input(performance.now()), { passive: true });
}
document.addEventListener("visibilitychange", () => {
  work?.clock.visible(!document.hidden, performance.now());
  if (document.hidden || !work) return;
  work.refill();
  progress();
});
addEventListener("online", () => work?.send());
addEventListener("focus", () => document.activeElement === document.body && focusField());
// Another tab of the same person answered: it is not asked here again.
addEventListener("storage", ({ key, newValue }) => {
  if (!work?.otherTab(key, newValue)) return;
  say("That question was answered in another tab.");
  show();
});
addEventListener("beforeunload", (event) => {
  const oldest = work?.outbox.oldest() ?? null;
  if (oldest !== null && Date.now() - oldest > LATE_MS) event.preventDefault();
});
addEventListener("pagehide", () => {
  tab.leave();
  work?.release();
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

takeTokenFromAddress();
start();
