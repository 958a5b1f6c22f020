// The page on which people answer: it ties the questions held, the answers on their way, and what is drawn.

import { ask, takeTokenFromAddress, token } from "./client.js";
import { ActiveClock, Haste } from "./clock.js";
import { Hand } from "./hand.js";
import { commandOf, meaning } from "./keys.js";
import { Outbox, Sender, uuid } from "./outbox.js";
import { hideExamples, saidOf, showExamples, showPast, showProgress, showSent, showTask } from "./panels.js";
import { LabelIndex } from "./search.js";
import { Options, banner, counted, face, focusField, page, say, showQuestion } from "./view.js";

const LATE_MS = 10_000; // an answer that is on its way for longer is worth a banner
const PROGRESS_MS = 5_000;
const AWAY_MS = 300_000; // who has done nothing for so long no longer keeps questions from others
const HOLDER = "laud-annotate-holder";
const FREE = "laud-annotate-free";

let me = null; // {run, person, role, task, guideline, lease, anonymous}
let labels = null; // LabelIndex
let hand, outbox, sender, options, clock, haste;
let past = []; // the last answers, the newest first: [{question, vote, final}]
let shown = null; // the question that is drawn
let refilling = false;
let problem = ""; // why nothing can be sent or fetched

// ---- Starting

/** The name of this tab. A tab that is reloaded keeps it, and with it its questions; a duplicated one gets its own. */
function holderOf() {
  const kept = sessionStorage.getItem(FREE) && sessionStorage.getItem(HOLDER);
  sessionStorage.removeItem(FREE);
  const holder = kept || uuid();
  sessionStorage.setItem(HOLDER, holder);
  return holder;
}

const holder = holderOf();

async function start() {
  try {
    me = await ask("v1/me");
    const { labels: listed } = await ask("v1/labels");
    labels = new LabelIndex(listed);
  } catch (error) {
    return afterFailure(error, () => setTimeout(start, 1000));
  }
  problem = "";
  hand = new Hand();
  clock = new ActiveClock(performance.now(), !document.hidden);
  haste = new Haste();
  outbox = new Outbox(localStorage, me.run, me.person);
  for (const { question, answer } of outbox.waiting()) {
    if (answer === "undo") hand.reopen(question);
    else hand.answeredElsewhere(question);
  }
  options ??= new Options(labels, { chosen: (label, via) => answer("label", via, label) });
  options.use(labels);
  sender = new Sender(outbox, { post, acknowledged, refused, failed: afterFailure });
  showTask(me);
  shown = null;
  hideExamples();
  face("rest");
  await Promise.allSettled([sender.kick(), refill(), loadPast(), progress()]);
}

function afterFailure(error, again = () => {}) {
  if (error.status === undefined) throw error;
  if (error.status === 401) {
    token.forget();
    face("access");
    page.token.focus();
    banner(me || page.token.dataset.given ? error.message : "");
    me = null;
    return;
  }
  if (error.code === "other_run") return void start();
  problem = error.message;
  mind();
  again();
}

page.access.addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(page.token.value);
  page.token.value = "";
  page.token.dataset.given = "yes";
  banner("");
  start();
});

page.forget.addEventListener("click", () => {
  token.forget();
  location.reload();
});

// ---- Questions

const body = (more) => ({ run: me.run, holder, ...more });

async function refill() {
  if (!me || refilling || !hand.isShort) return;
  refilling = true;
  try {
    const { questions } = await ask("v1/next", body({ n: hand.wanted(outbox.waiting().length) }));
    hand.add(questions);
    settle();
  } catch (error) {
    afterFailure(error);
  } finally {
    refilling = false;
  }
  show();
}

/** Something went well: nothing stands in the way any more. */
function settle() {
  problem = "";
  mind();
}

function show() {
  const question = hand.current;
  if (!question) {
    shown = null;
    if (!page.access.hidden) return;
    face("rest");
    return;
  }
  if (question === shown) return;
  shown = question;
  face("work");
  showQuestion(question);
  page.field.value = "";
  page.comment.value = "";
  openComment(false);
  hideExamples();
  options.draw(question, "");
  clock.start(performance.now());
  page.field.placeholder = options.digits ? `Press 1 to ${options.digits}, or type a label` : "Type a label";
  focusField();
  window.scrollTo({ top: 0 });
}

// ---- Answers

function answer(kind, via, label = null) {
  const question = hand.current;
  if (!question || question !== shown) return;
  const now = performance.now();
  const vote = {
    id: uuid(), question: question.id, answer: kind, label: label === null ? null : labels.labels[label].name,
    comment: page.comment.value.trim() || null, seconds: Math.round(clock.seconds(now) * 1000) / 1000,
    shown: shownTo(question), via, answered_at: new Date().toISOString(),
  };
  hand.answer();
  keep(vote);
  past = [{ question, vote, final: false }, ...past];
  say(`Answered: ${saidOf(vote)}.`);
  if (haste.isHasty(vote.seconds)) {
    say("Those answers took less than a second each. Take the time that you need: careful answers help the model most.", { care: true });
  }
  drawPast();
  show();
}

/** The suggested labels in the order in which they were drawn; null where none was. */
function shownTo({ candidates }) {
  if (!candidates?.length) return null;
  const names = candidates.map(([name]) => name);
  return labels.labels.length > 9 ? names : labels.labels.map(({ name }) => name).filter((name) => names.includes(name));
}

function keep(vote) {
  if (!outbox.add(vote, Date.now())) problem = "This browser cannot keep answers: leave the page open until they are sent.";
  showSent(outbox.waiting().length);
  sender.kick();
}

const post = (votes) => {
  const n = hand.wanted(Math.max(0, outbox.waiting().length - votes.length));
  return ask("v1/votes", body({ votes, next: n }));
};

function acknowledged({ receipts, questions }) {
  hand.add(questions);
  settle();
  showSent(outbox.waiting().length);
  const late = receipts.filter(({ outcome }) => outcome === "late").length;
  if (late) say(`${counted(late, "answer", "answers")} came after the question had been settled; kept, but not counted.`, { care: true });
  if (hand.current !== shown) show();
}

function refused(vote, error) {
  if (vote.answer !== "undo") hand.reopen(vote.question);
  outbox.drop(vote.id);
  past = past.filter((item) => item.vote.id !== vote.id);
  drawPast();
  say(`${vote.question}: ${error.message}`, { care: true });
}

// ---- Taking back

async function loadPast() {
  try {
    const { answers } = await ask("v1/history");
    const here = new Set(past.map(({ vote }) => vote.id));
    past = [...past, ...answers.filter(({ vote }) => !here.has(vote.id))];
    drawPast();
  } catch (error) {
    afterFailure(error);
  }
}

function drawPast() {
  const open = past.filter(({ final }) => !final);
  document.querySelector('[data-command="undo"]').setAttribute("aria-disabled", !open.length);
  showPast(past, undo);
}

function undo(item = past.find(({ final }) => !final)) {
  if (!item) return say("There is no answer to take back.");
  past = past.filter((one) => one !== item);
  drawPast();
  keep({ id: uuid(), question: item.question.id, answer: "undo", undoes: item.vote.id, via: "key", answered_at: new Date().toISOString() });
  hand.bringBack(item.question);
  shown = null;
  show();
  page.comment.value = item.vote.comment ?? "";
  say(`Taken back: ${saidOf(item.vote)}.`);
}

// ---- Keys and buttons

page.field.addEventListener("input", () => options.draw(shown, page.field.value));

page.field.addEventListener("keydown", (event) => {
  if (!shown) return;
  const key = meaning(event, { empty: page.field.value === "", digits: options.digits });
  if (!key) return;
  event.preventDefault();
  if (key.kind === "choose") answer("label", "key", options.withDigit(key.index));
  else if (key.kind === "move") options.move(key.by);
  else if (key.kind === "edge") options.edge(key.last);
  else if (key.kind === "answer") enter();
  else if (key.kind === "clear") clear();
});

function enter() {
  options.draw(shown, page.field.value);
  if (options.active === null) {
    say(page.field.value.trim() ? "No label fits what you typed." : "No label is chosen: press its digit, type its name, or use the arrow keys.");
    return;
  }
  answer("label", page.field.value.trim() ? "search" : "key", options.active);
}

function clear() {
  page.field.value = "";
  options.draw(shown, "");
  options.clear();
}

const COMMANDS = {
  unsure: (via) => answer("unsure", via),
  none: (via) => answer("none", via),
  undo: () => undo(),
  comment: () => openComment(page["comment-box"].hidden || document.activeElement !== page.comment, true),
  guideline: () => toggle(page["guideline-box"]),
  past: () => toggle(page["past-box"]),
  examples: () => examples(),
};

document.addEventListener("keydown", (event) => {
  const name = commandOf(event);
  if (!name || !me || page.work.hidden) return;
  event.preventDefault();
  if (!event.repeat) COMMANDS[name]("key");
});

for (const button of document.querySelectorAll("[data-command]")) {
  button.addEventListener("click", () => {
    COMMANDS[button.dataset.command]("mouse");
    if (button.dataset.command !== "comment") focusField();
  });
}

function toggle(box) {
  if (box.hidden) return say("There is no guideline.");
  box.open = !box.open;
  if (box.open) box.scrollIntoView({ block: "nearest" });
}

function openComment(open, focus = false) {
  page["comment-box"].hidden = !open && !page.comment.value.trim();
  document.querySelector('[data-command="comment"]').setAttribute("aria-expanded", !page["comment-box"].hidden);
  if (focus) (open ? page.comment : page.field).focus();
}

page["comment-box"].addEventListener("submit", (event) => event.preventDefault());
page.comment.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && !(event.key === "Enter" && event.ctrlKey)) return;
  event.preventDefault();
  openComment(false, true);
});

async function examples() {
  if (!page["examples-box"].hidden && page["examples-box"].open) return hideExamples();
  const asked = shown;
  try {
    const found = await ask(`v1/examples?question=${encodeURIComponent(asked.id)}`);
    if (asked === shown) showExamples(found);
  } catch (error) {
    say(error.message, { care: true });
  }
}

// ---- What goes on meanwhile

async function progress() {
  try {
    showProgress(await ask("v1/progress"));
  } catch (error) {
    afterFailure(error);
  }
}

/** Say what stands in the way: answers that do not get through, or questions that cannot be fetched. */
function mind() {
  if (!me && page.access.hidden === false) return;
  const oldest = outbox?.oldest() ?? null;
  const waiting = oldest === null ? 0 : outbox.waiting().length;
  const late = oldest !== null && Date.now() - oldest > LATE_MS;
  if (late) banner(`${problem || "The server is slow."} ${counted(waiting, "answer is", "answers are")} kept in this browser and sent as soon as possible.`);
  else if (problem && !hand?.current) banner(problem);
  else banner("");
}

let ticks = 0;
setInterval(() => {
  if (!me) return;
  ticks += 1;
  mind();
  if (outbox.oldest() !== null) sender.kick(true);
  if (document.hidden) return;
  const seconds = PROGRESS_MS / 1000;
  if (ticks % seconds === 0) progress();
  if (hand.isShort && ticks % (hand.current ? seconds : 2) === 0) refill();
  const every = Math.max(5, Math.floor(me.lease / 3));
  if (ticks % every === 0 && clock.idle(performance.now()) < AWAY_MS && hand.ids.length) renew();
}, 1000);

async function renew() {
  try {
    const { held } = await ask("v1/renew", body({ questions: hand.ids }));
    const kept = new Set([...held, shown?.id]); // the one that is being read stays
    hand.drop(hand.ids.filter((id) => !kept.has(id)));
  } catch (error) {
    afterFailure(error);
  }
}

for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
  addEventListener(kind, () => clock?.input(performance.now()), { passive: true });
}
document.addEventListener("visibilitychange", () => {
  clock?.visible(!document.hidden, performance.now());
  if (!document.hidden && me) {
    refill();
    progress();
  }
});
addEventListener("online", () => sender?.kick());
addEventListener("focus", focusField);
// Another tab of the same person answered: it is not asked here again.
addEventListener("storage", ({ key, newValue }) => {
  const vote = me && newValue && outbox.read(key, newValue);
  if (vote && vote.answer !== "undo" && hand.answeredElsewhere(vote.question)) {
    say("That question was answered in another tab.");
    show();
  }
});
addEventListener("beforeunload", (event) => {
  const oldest = outbox?.oldest() ?? null;
  if (oldest !== null && Date.now() - oldest > LATE_MS) event.preventDefault();
});
addEventListener("pagehide", () => {
  sessionStorage.setItem(FREE, "yes");
  if (me && hand.ids.length) ask("v1/release", body({}), { keepalive: true }).catch(() => {});
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

takeTokenFromAddress();
start();
