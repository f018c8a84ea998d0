// Elements of the page. Strings become text, never HTML.

// An element with attributes and children; strings are text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Changes a text only if it is another one, so that selections and screen readers are left in peace.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A table that is drawn only while it is open. A row may have the exact number behind its second cell.
export function table(title, columns) {
  const body = make("tbody");
  const head = make("tr", {}, ...columns.map((column) => make("th", { scope: "col" }, column)));
  const element = make(
    "details",
    { class: "numbers" },
    make("summary", {}, title),
    make("div", { class: "wide" }, make("table", {}, make("thead", {}, head), body)),
  );
  let rows = [];
  const draw = () => {
    if (!element.open) return;
    while (body.rows.length > rows.length) body.lastChild.remove();
    rows.forEach(([cells, exact], place) => {
      const row = body.rows[place] ?? body.appendChild(emptyRow(cells.length));
      cells.forEach((cell, column) => say(row.cells[column], cell));
      if (exact !== undefined) row.cells[1].dataset.bits = exact;
    });
  };
  element.addEventListener("toggle", draw);
  return {
    element,
    fill(next) {
      rows = next;
      draw();
    },
  };
}

function emptyRow(cells) {
  const head = make("th", { scope: "row" });
  return make("tr", {}, head, ...Array.from({ length: cells - 1 }, () => make("td")));
}
