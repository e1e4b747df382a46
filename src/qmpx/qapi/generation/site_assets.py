"""How a site for reference looks, and how its search box works."""

from typing import Final

STYLE: Final = """\
:root { color-scheme: light dark; --line: #8884; --mark: #b565; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto;
  padding: 0 1rem 4rem; }
header { display: flex; gap: 1rem; align-items: center; padding: .8rem 0;
  border-bottom: 1px solid var(--line); position: sticky; top: 0;
  background: Canvas; }
header a { font-weight: bold; text-decoration: none; color: inherit; }
#search { flex: 1; font: inherit; padding: .3rem .6rem; }
#results { list-style: none; margin: 0; padding: .5rem 0;
  border-bottom: 1px solid var(--line); }
#results a { display: block; padding: .1rem .6rem; }
#results small, h1 small, h2 small { font-weight: normal; opacity: .6; }
ul.names { columns: 16rem; padding: 0; list-style: none; }
ul.names li { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0;
  vertical-align: top; overflow-wrap: anywhere; }
td:last-child { width: 50%; }
p { white-space: pre-line; }
.mark { font: .75rem system-ui, sans-serif; background: var(--mark);
  border-radius: .3rem; padding: .05rem .35rem; white-space: nowrap; }
.since { opacity: .6; }
"""

SCRIPT: Final = """\
"use strict";
const LIMIT = 50;
const box = document.getElementById("search");
const list = document.getElementById("results");

// The smaller the better: the very name, its beginning, a part of it, another word.
function rank(entry, word) {
  const name = entry[0].toLowerCase();
  if (name === word) return 0;
  if (name.startsWith(word)) return 1;
  if (name.includes(word)) return 2;
  return entry[3].toLowerCase().includes(word) ? 3 : -1;
}

function find(text) {
  const words = text.toLowerCase().split(/\\s+/).filter(Boolean);
  const found = [];
  for (const entry of INDEX) {
    const ranks = words.map((word) => rank(entry, word));
    if (words.length && !ranks.includes(-1)) {
      found.push([Math.max(...ranks), entry]);
    }
  }
  found.sort((a, b) => a[0] - b[0] || a[1][0].localeCompare(b[1][0]));
  return found.map((each) => each[1]);
}

function show() {
  const found = find(box.value);
  list.replaceChildren();
  for (const [name, kind, href] of found.slice(0, LIMIT)) {
    const link = document.createElement("a");
    const small = document.createElement("small");
    link.href = href;
    link.textContent = name + " ";
    small.textContent = kind;
    link.append(small);
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  if (found.length > LIMIT || (box.value.trim() && !found.length)) {
    const item = document.createElement("li");
    item.textContent = found.length
      ? `and ${found.length - LIMIT} more` : "nothing of that name";
    list.append(item);
  }
  list.hidden = !list.childElementCount;
}

box.addEventListener("input", show);
box.addEventListener("keydown", (event) => {
  const first = list.querySelector("a");
  if (event.key === "Enter" && first) location.href = first.href;
  if (event.key === "Escape") { box.value = ""; show(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  }
});
if (location.hash.startsWith("#q=")) {
  box.value = decodeURIComponent(location.hash.slice(3));
  show();
}
"""
