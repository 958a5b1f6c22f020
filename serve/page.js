// Classify pasted names and send corrections. What comes from outside is inserted as text, never as markup.

const TOKEN = "laud-token";
// How many of the likeliest labels each name has.
const TOP = 3, TOP_OF_SETS = 5;
const MAY_PASS = new Set([429, 502, 503, 504]); // the same request can succeed later

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const state = {
  model: null, // name and version of the model that the page describes
  answered: null, // name and version of the model that made the rows
  rows: [], // what is shown: one {element, mark} for each name; mark is null where it cannot be classified
  partly: false, // whether the model has more labels than the page
  sets: false, // whether several labels can apply to a name
  threshold: null, // null until the slider is moved: then the service's own counts
  busy: false,
  retry: null, // what to do again once there is a token
};

const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

// ---- The service

class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** GET, or POST where there is a body; returns the JSON answer or throws a ServiceError of one line. */
async function ask(path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ServiceError(0, "The service cannot be reached. Try again in a moment.");
  }
  const answer = await response.json().catch(() => null); // a proxy in front may answer with plain text
  if (response.ok && answer) return answer;
  throw new ServiceError(response.status, errorLine(response, answer));
}

function errorLine(response, answer) {
  const line = answer?.error?.message ?? `The service answered ${response.status} ${response.statusText}`.trim();
  if (!MAY_PASS.has(response.status)) return line;
  const seconds = Math.ceil(Number(response.headers.get("retry-after")));
  const when = seconds > 0 ? `in ${counted(seconds, "second", "seconds")}` : "in a moment";
  return `${line.replace(/[.\s]+$/, "")}. Try again ${when}.`;
}

/** Run an action and show the service's complaint, if any; after a 401, run it again once there is a token. */
async function attempt(action, complain) {
  complain("");
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    complain(error.message);
    if (error.status === 401) askForToken(() => attempt(action, complain));
  }
}

const complain = (line) => {
  page.error.textContent = line;
};

function askForToken(retry) {
  sessionStorage.removeItem(TOKEN);
  state.retry = retry;
  page.access.hidden = false;
  page.forget.hidden = true;
  page.token.focus();
}

page.access.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, page.token.value);
  page.token.value = "";
  page.access.hidden = true;
  page.forget.hidden = false;
  page.names.focus();
  state.retry?.();
});

page.forget.addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  page.forget.hidden = true;
  page.names.focus();
});

// ---- The model

async function describe() {
  const [model, { labels, total }] = await Promise.all([ask("v1/model"), ask("v1/labels")]);
  state.sets = Boolean(model.multilabel);
  const figures = model.evaluation ? (state.sets ? figuresOfSets : figuresOfLabels)(model.evaluation) : "";
  if (state.sets && !state.rows.length) {
    page.summary.textContent =
      "Each name gets the labels that apply, and bars of the likeliest ones. A mark on a bar is the label’s threshold.";
  }
  state.model = { name: model.name, version: model.version };
  page.model.textContent = model.name;
  page.model.hidden = false;
  page.about.textContent =
    `Version ${model.version}: ${counted(total, "label", "labels")}` +
    (model.taxonomy ? ` in a taxonomy of ${counted(model.taxonomy.levels, "level", "levels")}, ` : ", ") +
    `learned from ${counted(model.examples ?? 0, "example", "examples")}.${figures}`;
  state.partly = total > labels.length;
  page.labels.replaceChildren(...labels.map(suggestion));
  offerDepths(model.taxonomy);
}

const interval = ({ n, low, high }) =>
  `(n = ${n}, 95 % interval [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}])`;

const figuresOfLabels = ({ accuracy }) =>
  ` It labels ${percent(accuracy.value)} of the documents correctly ${interval(accuracy)}.`;

const figuresOfSets = ({ accuracy, micro_f1: f1 }) =>
  (f1 ? ` Its micro-F1 is ${percent(f1.value)} ${interval(f1)};` : "") +
  ` ${percent(accuracy.value)} of the documents get exactly the right labels.`;

/** Of more labels than the page has, those with the typed text are suggested. */
async function suggest(typed) {
  if (!state.partly) return;
  const { labels } = await ask(`v1/labels?limit=50&contains=${encodeURIComponent(typed)}`);
  page.labels.replaceChildren(...labels.map(suggestion));
}

/** A taxonomy may be answered at the leaf, down to a level, or as deep as an accuracy can be promised. */
function offerDepths(taxonomy) {
  page["depth-line"].hidden = !taxonomy;
  if (!taxonomy || page.depth.options.length > 1) return;
  const levels = Array.from({ length: taxonomy.levels }, (_, i) => [`level ${i + 1}`, { level: i + 1 }]);
  const promises = [80, 90, 95].map((share) => [`${share} % right, promised`, { accuracy: share / 100 }]);
  for (const [text, value] of [...promises, ...levels]) page.depth.add(new Option(text, JSON.stringify(value)));
}

function suggestion({ name, description }) {
  const option = document.createElement("option");
  option.value = name;
  if (description) option.label = description;
  return option;
}

// ---- Names in, rows out

const namesGiven = () => page.names.value.split("\n").map((line) => line.trim()).filter(Boolean);

async function classify(texts) {
  const depth = JSON.parse(page.depth.value || "{}");
  const top_k = state.sets ? TOP_OF_SETS : TOP;
  const answer = await ask("v1/classify", { texts, top_k, threshold: state.threshold ?? undefined, ...depth });
  page.promise.textContent = answer.promise?.text ?? "";
  state.rows = answer.results.map((result, i) => row(texts[i], result, answer.model));
  page.results.replaceChildren(...state.rows.map(({ element }) => element));
  state.answered = answer.model;
  markUnsure();
  // A better model may have been loaded since the page was: its labels and figures are shown from now on.
  if (state.model?.version !== answer.model.version) attempt(describe, complain);
}

page.ask.addEventListener("submit", async (event) => {
  event.preventDefault();
  const texts = namesGiven();
  if (state.busy) return;
  if (!texts.length) return complain("There is no name to classify: write one on each line.");
  setBusy(true);
  await attempt(() => classify(texts), complain).finally(() => setBusy(false));
});

function setBusy(busy) {
  state.busy = busy;
  page.go.setAttribute("aria-disabled", busy); // not `disabled`: that would drop the keyboard's focus
  page.go.textContent = busy ? "Classifying …" : "Classify";
  page.results.setAttribute("aria-busy", busy);
}

page.names.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  page.ask.requestSubmit();
});

function count() {
  page.count.textContent = counted(namesGiven().length, "name", "names");
}

page.names.addEventListener("input", count);

page.threshold.addEventListener("input", () => {
  state.threshold = page.threshold.valueAsNumber / 100;
  page["threshold-value"].textContent = `${page.threshold.value} %`;
  markUnsure();
});

/** Mark the rows that the threshold leaves unsure; no request is needed, the confidences are here. */
function markUnsure() {
  if (!state.rows.length) return;
  const labelled = state.rows.filter(({ mark }) => mark);
  const unsure = labelled.filter(({ mark }) => mark(state.threshold)).length;
  const errors = state.rows.length - labelled.length;
  const { name, version } = state.answered;
  page.summary.textContent =
    `${counted(labelled.length, "name", "names")} classified by ${name}, version ${version}; ${unsure || "none"} unsure` +
    (errors ? `; ${errors} cannot be classified.` : ".");
}

function row(text, result, model) {
  const element = page.row.content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(`.${name}`);
  part("name").textContent = text;
  if (result.error) return { element: failed(element, part, result.error), mark: null };
  if (result.labels) return { element, mark: rowOfSet(element, part, text, result, model) };
  part("label").textContent = result.label ?? "not answered";
  part("level").textContent = result.depth ? `level ${result.depth}, ${percent(result.confidence)}` : "";
  part("level").hidden = !result.backed_off;
  part("top").append(...result.top.map(candidate));
  part("wrong").setAttribute("aria-label", `Wrong? Correct the label of ${text.slice(0, 80)}`);
  takeFeedback(part, { text, predicted: result.label ?? undefined, model: model.name });
  return { element, mark: marking(element, part, result, result.label === null) };
}

/** What marks a row as unsure, and tells whether it is; without an answer it stays as the service marked it. */
function marking(element, part, result, unanswered = false) {
  return (threshold) => {
    const unsure = threshold === null || unanswered ? result.abstained : result.confidence < threshold;
    element.classList.toggle("abstained", unsure);
    part("unsure").hidden = !unsure;
    return unsure;
  };
}

/** Fill a row in which several labels can apply, or none; returns what marks it. */
function rowOfSet(element, part, text, result, model) {
  const names = result.labels.map(({ label }) => label);
  part("label").hidden = names.length > 0;
  part("label").textContent = "no label";
  part("labels").hidden = !names.length;
  part("labels").append(...names.map(chip));
  part("level").textContent = `whole set ${percent(result.confidence)}`;
  part("level").hidden = false;
  part("top").append(...result.top.map((one) => candidateOfSet(one, names.includes(one.label))));
  part("wrong").setAttribute("aria-label", `Wrong? Correct the labels of ${text.slice(0, 80)}`);
  const choices = choicesOf(part, [...new Set([...names, ...result.top.map(({ label }) => label)])], new Set(names));
  takeFeedback(part, { text, predicted: names, model: model.name }, choices);
  return marking(element, part, result);
}

function chip(name) {
  const element = document.createElement("li");
  const inner = document.createElement("bdi");
  inner.textContent = name;
  element.append(inner);
  element.className = "chip";
  return element;
}

function candidateOfSet(one, applies) {
  const element = candidate(one, applies ? 0 : 1);
  const bar = element.querySelector("i");
  bar.classList.add("to");
  bar.style.setProperty("--t", one.threshold);
  bar.title = `applies from ${percent(one.threshold)} on`;
  return element;
}

/** A name that cannot be classified has its reason in the place of a label, and nothing to correct. */
function failed(element, part, reason) {
  part("verdict").remove();
  part("top").remove();
  part("wrong").remove();
  part("problem").textContent = `This name ${reason}.`;
  return element;
}

function candidate({ label, confidence }, rank) {
  const element = page.candidate.content.firstElementChild.cloneNode(true);
  element.classList.toggle("main", rank === 0);
  element.querySelector("bdi").textContent = label;
  element.querySelector("span").title = label; // a long one is cut
  element.querySelector("i").style.setProperty("--v", confidence);
  element.querySelector("b").textContent = percent(confidence);
  return element;
}

// ---- Corrections

/** Offer labels as toggles; returns what reads the chosen ones. */
function choicesOf(part, names, chosen) {
  const [form, group] = [part("correct"), part("choices")];
  const input = form.elements.label;
  const add = (name, checked) => {
    const found = [...group.querySelectorAll("input")].find((one) => one.value === name);
    if (found) return (found.checked ||= checked);
    const element = page.choice.content.firstElementChild.cloneNode(true);
    const box = element.querySelector("input");
    [box.value, box.checked] = [name, checked];
    element.querySelector("bdi").textContent = name;
    group.append(element);
  };
  const addTyped = () => {
    if (input.value.trim()) add(input.value.trim(), true);
    input.value = "";
  };
  names.forEach((name) => add(name, chosen.has(name)));
  group.hidden = part("more").hidden = false;
  input.required = false;
  part("which").textContent = "Another label";
  part("save").textContent = "Save labels";
  part("more").addEventListener("click", () => {
    addTyped();
    input.focus();
  });
  return () => {
    addTyped();
    return [...group.querySelectorAll("input:checked")].map(({ value }) => value);
  };
}

/** Take corrections: of one label, or of a set, whose chosen labels `choices` reads. */
function takeFeedback(part, about, choices = null) {
  const [toggle, form, thanks] = [part("wrong"), part("correct"), part("thanks")];
  const open = (shown) => {
    form.hidden = !shown;
    toggle.setAttribute("aria-expanded", shown);
    (shown ? form.querySelector("input:not([disabled])") : toggle).focus();
  };
  const send = (verdict, gratitude) =>
    attempt(
      async () => {
        thanks.textContent = "";
        await ask("v1/feedback", { ...about, ...verdict });
        open(false);
        thanks.textContent = gratitude;
      },
      (line) => {
        part("problem").textContent = line;
      },
    );
  toggle.addEventListener("click", () => open(form.hidden));
  form.elements.label.addEventListener("input", (event) => suggest(event.target.value).catch(() => {}));
  form.addEventListener("keydown", (event) => event.key === "Escape" && open(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (choices) {
      const labels = choices();
      send({ labels }, `Thank you: stored as ${labels.join("; ") || "no label"}.`);
      return;
    }
    const label = form.elements.label.value.trim();
    send({ label }, `Thank you: stored as ${label}.`);
  });
  part("unknown").addEventListener("click", () => send({ wrong: true }, "Thank you: stored as wrong."));
}

page.forget.hidden = !sessionStorage.getItem(TOKEN);
count(); // a browser may bring back the names of before a reload
attempt(describe, complain);
