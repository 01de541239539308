"use strict";
// The page works without this: every form and link is a plain one. With it, parts are
// swapped in place, the look-up follows the typing, and a stretch opens beside its text.
(() => {
  const WAIT = 250; // ms of quiet before a half-typed query is looked up
  let latest = 0;

  async function fetched(url, options) {
    const number = ++latest;
    const answer = await fetch(url, { headers: { Accept: "text/html" }, ...options });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return number === latest ? page : null; // an answer overtaken by a later one is dropped
  }

  async function swapped(id, url, options) {
    const old = document.getElementById(id);
    const result = document.getElementById("result");
    result.setAttribute("aria-busy", "true");
    try {
      const page = await fetched(url, options);
      if (!page) return null;
      // What is no part of the answer, such as a fault, is shown in place of the whole result.
      const found = page.getElementById(id);
      if (found) old.replaceWith(found);
      else result.replaceWith(page.getElementById("result"));
      document.title = page.title;
      return page;
    } finally {
      document.getElementById("result").removeAttribute("aria-busy");
    }
  }

  const query = () => document.getElementById("q");

  function address(form) {
    const fields = new URLSearchParams(new FormData(form));
    if (!fields.get("q").trim()) fields.delete("q");
    const line = fields.toString();
    return line ? `${form.getAttribute("action")}?${line}` : form.getAttribute("action");
  }

  function reload() {
    location.reload();
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-live]")) {
      event.preventDefault();
      clearTimeout(form.timer);
      history.pushState(null, "", address(form));
      await swapped("result", location.href).catch(reload);
    } else if (form.matches("[data-send]")) {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(form));
      await swapped("result", form.action, { method: "POST", body }).catch(() => form.submit());
    }
  });

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form || !form.matches("[data-live]")) return;
    clearTimeout(form.timer);
    form.timer = setTimeout(() => {
      history.replaceState(null, "", address(form));
      swapped("result", location.href).catch(() => {});
    }, WAIT);
  });

  document.addEventListener("click", async (event) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[data-swap], a[data-into], button[data-back]");
    if (!link) return;
    event.preventDefault();
    if (link.dataset.into) return open(link);
    if (link.dataset.back !== undefined) return closed();
    const inside = link.closest("#place");
    const id = link.dataset.swap || "result";
    if (!inside) history.pushState(null, "", link.href);
    const page = await swapped(id, link.href).catch(() => location.assign(link.href));
    if (!page) return;
    if (id === "documents") document.getElementById("documents-title")?.focus();
    else if (query()) query().value = page.getElementById("q").value;
  });

  // A stretch of a traced text: its documents take the place of the list beside the text.
  let list = null;
  async function open(link) {
    const place = document.getElementById("place");
    if (!place.querySelector("#documents")) list = [...place.childNodes];
    for (const one of document.querySelectorAll("a.span")) {
      if (one.dataset.span === link.dataset.span) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
    const page = await fetched(link.href).catch(() => location.assign(link.href));
    if (!page) return;
    const back = document.createElement("button");
    back.type = "button";
    back.className = "back";
    back.dataset.back = "";
    back.textContent = "← All stretches";
    place.replaceChildren(back, page.getElementById("documents") ?? page.querySelector(".fault"));
    document.getElementById("documents-title")?.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
  }

  function closed() {
    const place = document.getElementById("place");
    place.replaceChildren(...list);
    place.querySelector("a")?.focus({ preventScroll: true });
    for (const one of document.querySelectorAll("a.span[aria-current]")) {
      one.removeAttribute("aria-current");
    }
  }

  addEventListener("popstate", async () => {
    if (!query()) return reload();
    const page = await swapped("result", location.href).catch(reload);
    if (page) query().value = page.getElementById("q").value;
  });
})();
