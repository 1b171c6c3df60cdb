document.documentElement.classList.add("js");
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, place) => {
    const isNumber = head.classList.contains("number"), button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const value = row => {
      const text = row.cells[place].textContent.trim();
      if (!isNumber) return text;
      const found = text.replace("−", "-").match(/[-+]?(\d+\.?\d*(e[-+]?\d+)?|i)/i);
      return found && Number(found[0].replace(/i$/i, "1e999"));
    };
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const rises = before ? before === "descending" : !isNumber;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const sign = rises ? 1 : -1, rows = [...body.rows].map(row => [value(row), row]);
      rows.sort(([a], [b]) => isNumber
        ? ((a === null) - (b === null)) || sign * (a < b ? -1 : a > b ? 1 : 0)
        : sign * a.localeCompare(b, undefined, { numeric: true }));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
