"use strict";
// Tables that sort and filter: <table class="sortable"> inside div.table-box, with a filter box if it has data-filter.
// A cell's data-value holds the number where its text is formatted; without one the text counts.

(() => {
  const { element, each } = window.lstsrPage;

  /** The row's cell in a column, cells that span several counted for each. */
  function cellAt(row, column) {
    let next = 0;
    return [...row.cells].find((cell) => (next += cell.colSpan) > column);
  }

  /** A cell's number, else its text; null where it has no value. */
  function valueOf(cell) {
    const text = (cell?.dataset.value ?? cell?.textContent ?? "").trim();
    const missing = cell?.matches("td.missing") || ["", "–", "—", "nan"].includes(text.toLowerCase());
    if (missing) return null;
    const value = Number(text.replace("−", "-"));
    return Number.isNaN(value) ? text : value;
  }

  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), undefined, { numeric: true });
  }

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(cellAt(row, column)) }));
    // Array's sort is stable; rows without value stay last either way.
    rows.sort((one, other) =>
      (one.value === null) - (other.value === null) || (one.value === null ? 0 : direction * compare(one.value, other.value)));
    body.append(...rows.map(({ row }) => row));
  }

  function makeSortable(table, say) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    let column = 0;
    for (const head of heads) {
      const index = column;
      column += head.colSpan;
      const button = element("button", { type: "button", class: "sort-button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table, index, ascending ? 1 : -1);
        say(`Sorted by ${button.textContent.trim()}, ${ascending ? "ascending" : "descending"}.`);
      });
    }
  }

  /** Numbers are found by how they start, so that "1" does not find every 0.1; other words anywhere. */
  function holds(row, word) {
    const cells = [...row.cells].map((cell) => cell.textContent.trim().toLowerCase());
    return cells.some((text) => (/^[\d.−+-]/.test(word) ? text.split(/\s+/).some((part) => part.startsWith(word)) : text.includes(word)));
  }

  function makeFilter(table, box) {
    const input = element("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    const count = element("output", { "aria-live": "polite" });
    const rows = [...table.tBodies[0].rows];
    const update = () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every((word) => holds(row, word));
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    input.addEventListener("input", update);
    const label = element("label", {}, element("span", {}, table.dataset.filter || "Filter rows"), input);
    box.before(element("div", { class: "table-filter" }, label, count));
    update();
  }

  each(".table-box table.sortable", (table) => {
    if (!table.tHead || !table.tBodies.length) return;
    const box = table.closest(".table-box");
    const status = element("p", { class: "table-status", role: "status" });
    box.after(status);
    makeSortable(table, (text) => (status.textContent = text));
    if (table.dataset.filter !== undefined) makeFilter(table, box);
  });
})();
