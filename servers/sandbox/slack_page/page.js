// The sandbox's Slack in a browser: shows what a channel shows, and does what people do in it.
// Every text reaches the page as text, never as markup of the page.
"use strict";

const channel = document.getElementById("channel");
const who = document.getElementById("who");
const note = document.getElementById("note");
const modal = document.getElementById("modal");
let shownAs = "";
let shownModal = "";

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function plain(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

// Slack's markup, as far as the app uses it.
function marked(into, text) {
  const parts = /<!date\^[^|>]*\|([^>]*)>|<(https?:[^|>]+)\|([^>]*)>|<([@!][^>|]+)>|\*([^*\n]+)\*|`([^`\n]+)`/g;
  let from = 0;
  for (const found of text.matchAll(parts)) {
    into.append(plain(text.slice(from, found.index)));
    from = found.index + found[0].length;
    const [, date, url, label, mention, bold, code] = found;
    if (date !== undefined) into.append(plain(date));
    else if (url !== undefined) {
      const link = make("a", plain(label));
      link.href = plain(url);
      link.rel = "noreferrer noopener";
      link.target = "_blank";
      into.append(link);
    } else if (mention !== undefined) into.append(make("mark", mention));
    else if (bold !== undefined) into.append(make("strong", plain(bold)));
    else into.append(make("code", plain(code)));
  }
  into.append(plain(text.slice(from)));
  return into;
}

function said(tag, object, className) {
  const element = make(tag, "", className);
  return object.type === "mrkdwn" ? marked(element, object.text) : (element.append(object.text), element);
}

function rich(part) {
  const element = make(part.type === "rich_text_quote" ? "blockquote" : "p");
  for (const piece of part.elements) {
    element.append(piece.style && piece.style.bold ? make("strong", piece.text) : piece.text);
  }
  return element;
}

const blocks = {
  header: (block) => [said("h2", block.text)],
  divider: () => [make("hr")],
  context: (block) => block.elements.map((one) => said("p", one, "context")),
  rich_text: (block) => block.elements.map(rich),
  section: (block) => {
    const made = block.text ? [said("p", block.text)] : [];
    if (block.fields) {
      const grid = make("div", "", "fields");
      grid.append(...block.fields.map((field) => said("p", field)));
      made.push(grid);
    }
    return made;
  },
  actions: (block, message) => {
    const row = make("div", "", "actions");
    for (const element of block.elements) {
      const button = make("button", element.text.text, element.style || "");
      button.type = "button";
      button.onclick = () => {
        if (element.url) window.open(element.url, "_blank", "noopener");
        act("click", { user: who.value, channel: message.in, ts: message.ts, action_id: element.action_id });
      };
      row.append(button);
    }
    return [row];
  },
};

function shown(message, className) {
  const article = make("article", "", className);
  const list = message.blocks && message.blocks.length ? message.blocks : null;
  if (!list) article.append(marked(make("p"), message.text));
  for (const block of list || []) article.append(...(blocks[block.type] || (() => []))(block, message));
  return article;
}

async function act(name, asked) {
  note.textContent = "";
  const answer = await fetch(name, { method: "POST", body: JSON.stringify(asked) });
  const told = await answer.json();
  if (told.error) note.textContent = told.error;
  else if (told.accepted === false) note.textContent = `The app did not take it (status ${told.status}).`;
  await look();
  return told;
}

function field(block, view) {
  const label = make("label", block.label.text + (block.optional ? " (optional)" : ""));
  const element = block.element;
  let input;
  if (element.type === "static_select") {
    input = make("select");
    input.append(make("option", ""));
    for (const option of element.options) {
      const choice = make("option", option.text.text);
      choice.value = option.value;
      input.append(choice);
    }
  } else {
    input = make(element.multiline ? "textarea" : "input");
    input.value = element.initial_value || "";
    input.maxLength = element.max_length || 3000;
  }
  input.name = block.block_id;
  input.required = !block.optional;
  label.append(input);
  if (view.errors && view.errors[block.block_id]) label.append(make("span", view.errors[block.block_id], "problem"));
  return label;
}

function showModal(view) {
  const mark = view ? view.id + view.hash + JSON.stringify(view.errors || {}) : "";
  if (mark === shownModal) return;
  shownModal = mark;
  if (!view) return modal.close();
  const kept = new Map([...modal.querySelectorAll("[name]")].map((input) => [input.name, input.value]));
  modal.replaceChildren(make("h2", view.title.text));
  const form = make("form");
  for (const block of view.blocks) {
    if (block.type === "input") form.append(field(block, view));
    else form.append(...(blocks[block.type] || (() => []))(block, view));
  }
  for (const input of form.querySelectorAll("[name]")) if (view.errors && kept.has(input.name)) input.value = kept.get(input.name);
  const row = make("div", "", "actions");
  if (view.submit) row.append(make("button", view.submit.text, "primary"));
  const close = make("button", view.close ? view.close.text : "Close");
  close.type = "button";
  close.onclick = () => act("close", { user: view.user, view_id: view.id });
  row.append(close);
  form.append(row);
  form.onsubmit = (event) => {
    event.preventDefault();
    const values = {};
    for (const [name, value] of new FormData(form)) if (value) values[name] = value;
    act("submit", { user: view.user, view_id: view.id, values });
  };
  modal.append(form);
  if (!modal.open) modal.showModal();
}

async function look() {
  const seen = await (await fetch("shows")).json();
  const mine = seen.ephemeral.filter((one) => one.user === who.value);
  const all = Object.entries(seen.channels).flatMap(([id, list]) => list.map((one) => ({ ...one, in: id })));
  const mark = who.value + JSON.stringify([all, mine]);
  if (mark !== shownAs) {
    shownAs = mark;
    const tops = all.filter((one) => !one.thread_ts);
    const pieces = tops.flatMap((top) => [
      shown(top), ...all.filter((one) => one.thread_ts === top.ts).map((one) => shown(one, "reply")),
    ]);
    const whispers = mine.slice(-5).map((one) => {
      const article = shown(one, "whisper");
      article.prepend(make("p", "Only you can see this", "context"));
      return article;
    });
    channel.replaceChildren(...(pieces.length ? pieces : [make("p", "Nothing here yet. Let a visitor come: what may be written to them waits here for you.", "context")]), ...whispers);
  }
  showModal(seen.views.filter((view) => view.user === who.value).pop());
  return seen;
}

async function start() {
  const people = await (await fetch("people")).json();
  for (const [id, name] of Object.entries(people)) {
    const option = make("option", name);
    option.value = id;
    who.append(option);
  }
  who.onchange = look;
  modal.oncancel = (event) => event.preventDefault();
  document.getElementById("visit").onclick = async () => {
    const told = await act("visit", {});
    if (!told.error && told.accepted !== false) {
      note.textContent = "Somebody came. A card follows in a few seconds, unless the guardrails turn them away.";
      setTimeout(() => { note.textContent = ""; }, 8000);
    }
  };
  await look();
  setInterval(() => look().catch(() => { note.textContent = "The sandbox does not answer."; }), 1000);
}

start();
