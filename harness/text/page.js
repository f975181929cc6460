"use strict";
// Sorting, filters, and the state of both in the address. Without this script the page shows everything.
(() => {
  const form = document.getElementById("view");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const home = document.getElementById("link")?.getAttribute("href");
  let sorted = "";

  // The number or the words that a cell begins with; null where there is nothing to sort by.
  const keyOf = cell => {
    const text = (cell?.dataset.sort ?? cell?.firstChild?.textContent ?? "").trim();
    if (text === "" || text === "–") return null;
    const number = Number.parseFloat(text.replace(/[~>\[,\s]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  const order = (one, other, sign) => {
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * (typeof one === "number" && typeof other === "number" ? one - other : compare(one, other));
  };

  const sortTable = (table, column, direction) => {
    const rows = all("tbody tr", table).map(row => [keyOf(row.cells[column]), row]);
    const sign = direction === "descending" ? -1 : 1;
    rows.sort((one, other) => order(one[0], other[0], sign));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    all("thead th", table).forEach((head, number) =>
      number === column ? head.setAttribute("aria-sort", direction) : head.removeAttribute("aria-sort"));
  };

  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      if (head.dataset.plain !== undefined) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        sortTable(table, column, direction);
        sorted = `${table.id}.${column}.${direction}`;
        writeState();
      });
    });
  }

  const readState = () => {
    const text = location.hash.slice(1);
    if (!text.includes("=")) return false;
    const state = new URLSearchParams(text);
    for (const choice of all("select", form)) {
      const wish = state.get(choice.name) ?? "";
      choice.value = [...choice.options].some(option => option.value === wish) ? wish : "";
    }
    for (const radio of all("[name=measure]", form)) radio.checked = radio.value === state.get("measure");
    const servers = state.get("server")?.split(",");
    for (const box of all("[name=server]", form)) box.checked = servers?.includes(encodeURIComponent(box.value)) ?? true;
    sorted = state.get("sort") ?? "";
    const [id, column, direction] = sorted.split(".");
    const table = document.getElementById(id);
    if (table?.classList.contains("sortable") && table.rows[0]?.cells[column]) sortTable(table, Number(column), direction);
    return true;
  };

  const chosen = () => {
    const state = {};
    const radios = all("[name=measure]", form);
    const measure = radios.find(radio => radio.checked) ?? radios[0];
    if (measure) state.measure = measure.value;
    for (const choice of all("select", form)) if (choice.value) state[choice.name] = choice.value;
    const boxes = all("[name=server]", form);
    const on = boxes.filter(box => box.checked).map(box => box.value);
    if (on.length < boxes.length) state.server = on;
    return state;
  };

  const show = () => {
    const state = chosen();
    const radios = all("[name=measure]", form);
    for (const radio of radios) radio.checked = radio.value === state.measure;
    for (const matrix of all("[data-measure]")) matrix.hidden = matrix.dataset.measure !== state.measure;
    for (const part of all("[data-protocol]")) {
      part.hidden = all("select", form).some(
        choice => choice.value && (part.dataset[choice.name] ?? choice.value) !== choice.value);
    }
    for (const head of all("thead th[data-protocol]")) {
      for (const row of head.closest("table").tBodies[0].rows) row.cells[head.cellIndex].hidden = head.hidden;
    }
    for (const row of all("[data-server]")) row.hidden = state.server !== undefined && !state.server.includes(row.dataset.server);
    for (const group of all("[data-group]")) group.hidden = !group.querySelector("[data-protocol]:not([hidden])");
    document.getElementById("shown").textContent = state.server ? `${state.server.length} of ${all("[name=server]", form).length}` : "all";
  };

  const writeState = () => {
    const { server, measure, ...state } = chosen();
    const words = new URLSearchParams(state);
    if (measure && measure !== all("[name=measure]", form)[0].value) words.set("measure", measure);
    if (server) words.set("server", server.map(encodeURIComponent).join(","));
    if (sorted) words.set("sort", sorted);
    const text = words.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    document.getElementById("link").href = text ? `#${text}` : home;
  };

  const choose = () => { show(); writeState(); };
  const clear = () => {
    form.reset();
    choose();
  };

  // What an address names is shown, whatever hides it.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target.closest("[hidden]")) {
      form.reset();
      show();
    }
    target.scrollIntoView();
  };

  document.documentElement.classList.add("script");
  if (form) {
    form.hidden = false;
    form.addEventListener("change", choose);
    form.addEventListener("submit", event => event.preventDefault());
    document.getElementById("show-all").addEventListener("click", clear);
    all("[data-all]", form).forEach(button => button.addEventListener("click", () => {
      for (const box of all("[name=server]", form)) box.checked = button.dataset.all === "on";
      choose();
    }));
    const begin = () => {
      if (readState()) {
        show();
        document.getElementById("link").href = location.hash;
      } else reveal();
    };
    show();
    begin();
    addEventListener("hashchange", begin);
  }

  // Paper has no folds.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });
})();
