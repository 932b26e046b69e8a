"use strict";
(() => {
  const root = document.documentElement, words = document.body.dataset, spoken = document.getElementById("spoken");
  root.classList.add("js");
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // Light and dark.
  const prefersDark = matchMedia("(prefers-color-scheme: dark)"), repaint = new Set();
  const buttons = [...document.querySelectorAll("[data-theme-is]")];
  const themeNow = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");
  const themed = () => {
    buttons.forEach(button => button.setAttribute("aria-pressed", String(button.dataset.themeIs === themeNow())));
    repaint.forEach(paint => paint());
  };
  buttons.forEach(button => button.addEventListener("click", () => { root.dataset.theme = button.dataset.themeIs; themed(); }));
  prefersDark.addEventListener("change", themed);
  document.querySelector(".theme").hidden = false;
  themed();

  // Copies of statements.
  const copied = async text => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not everywhere from disk */ }
    const area = make("textarea", { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.querySelectorAll(".copy").forEach(button => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const first = button.firstChild, before = first.textContent;
      if (!await copied(button.previousElementSibling.textContent)) return;
      button.focus();
      first.textContent = spoken.textContent = words.copied;
      setTimeout(() => { first.textContent = before; spoken.textContent = ""; }, 1500);
    });
  });

  // Tables: sorting and filtering.
  const key = cell => cell.dataset.v ?? cell.firstChild?.textContent ?? "";
  const number = text => text === "" ? NaN : Number(text.replace(/,/g, ""));
  const compare = (a, b) => {
    const x = number(a), y = number(b);
    if (!Number.isNaN(x) && !Number.isNaN(y)) {
      if (x === y && /^-?\d{16,}$/.test(a) && /^-?\d{16,}$/.test(b)) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0;
      return x - y;
    }
    return a.localeCompare(b, undefined, { numeric: true });
  };
  const sorted = (table, heading, at) => {
    const body = table.tBodies[0], up = heading.getAttribute("aria-sort") === "descending"
      || (heading.getAttribute("aria-sort") === null && !heading.classList.contains("n"));
    table.querySelectorAll("[aria-sort]").forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].map(row => [key(row.cells[at]), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");  // what is unknown comes last
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...rows.map(([, row]) => row));
  };
  document.querySelectorAll("table").forEach(table => {
    const body = table.tBodies[0], count = body.rows.length;
    if (count > 1 && !table.classList.contains("tree")) {
      [...table.tHead.rows[0].cells].forEach((heading, at) => {
        const button = make("button", { type: "button", textContent: heading.textContent, title: words.sort.replace("{column}", heading.textContent) });
        heading.replaceChildren(button);
        button.addEventListener("click", () => sorted(table, heading, at));
      });
    }
    if (count < 9 || table.closest(".chart")) return;
    const input = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    const shown = make("span", { ariaLive: "polite" });
    const texts = [...body.rows].map(row => [row, row.textContent.toLowerCase()]);
    input.addEventListener("input", () => {
      const parts = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      texts.forEach(([row, text]) => { row.hidden = !parts.every(part => text.includes(part)); left += !row.hidden; });
      shown.textContent = parts.length ? words.rows.replace("{n}", left).replace("{total}", count) : "";
    });
    const label = make("label", {}, words.filter + " ", input);
    table.parentElement.before(make("div", { className: "finder" }, label, shown));
  });

  // Charts: the drawing of the page becomes an interactive one of the data in the table below it.
  const bits = value => {
    for (const unit of ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]) {
      if (Math.abs(value) < 999.5) return `${+value.toPrecision(3)} ${unit}`;
      value /= 1000;
    }
    return `${+value.toPrecision(3)} Tbit/s`;
  };
  const interactive = chart => {
    const table = chart.querySelector("table"), drawing = chart.querySelector(".drawing"), still = drawing.querySelector("svg");
    const rows = [...table.tBodies[0].rows], names = [...table.tHead.rows[0].cells].slice(1, -1).map(cell => cell.textContent);
    const shown = chart.dataset.unit === "bits" ? bits : value => String(+value.toPrecision(6));
    const step = Number(chart.dataset.seconds), first = BigInt(key(rows[0].cells[0]));
    const measured = rows.map(row => ({
      at: Number(BigInt(key(row.cells[0])) - first) / 1e9, label: row.cells[0].textContent,
      values: names.map((_, n) => Number(key(row.cells[n + 1]))),
    }));
    // Intervals without traffic are zero, and each value holds until the next one begins.
    const points = [];
    measured.forEach((point, n) => {
      points.push(point);
      const next = measured[n + 1];
      if (!next || next.at - point.at > step * 1.5) points.push({ at: point.at + step, label: "", values: names.map(() => 0) });
    });
    const times = points.map(point => point.at), on = names.map(() => true);
    const stacked = () => {
      const sums = points.map(() => 0), series = [];
      names.forEach((_, n) => { if (on[n]) points.forEach((point, at) => { sums[at] += point.values[n]; }); series.push([...sums]); });
      return [times, ...series.reverse()];  // the largest first, so that the others cover its lower part
    };
    const color = name => getComputedStyle(root).getPropertyValue(name).trim();
    const plot = make("div", { className: "plot", tabIndex: 0 });
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", `${chart.querySelector("h3").textContent}. ${words.help}`);
    const at = make("p", { className: "plot-at" }), legend = drawing.querySelector(".legend"), live = legend.cloneNode(true);
    live.classList.add("live");
    const say = index => {
      const point = index === null || index === undefined ? undefined : points[index];
      at.replaceChildren();
      if (!point || !point.label) return "";
      const parts = names.map((name, n) => [name, point.values[n]]).filter(([, value], n) => on[n] && value > 0);
      const text = parts.map(([name, value]) => `${name} ${shown(value)}`).join(" · ");
      at.append(make("b", { textContent: point.label }), ` ${text}`);
      return `${point.label}: ${text}`;
    };
    const axis = { stroke: () => color("--quiet"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    // Times of the axis, in the zone and with the digits of the table's.
    const labelled = (u, splits) => {
      let day = "";
      return splits.map(value => {
        const near = measured.reduce((best, point) => Math.abs(point.at - value) < Math.abs(best.at - value) ? point : best);
        const [zone, sign, hours, minutes] = near.label.match(/([+-])(\d\d):(\d\d)$/) ?? ["Z", "+", 0, 0];
        const shift = (sign === "-" ? -1 : 1) * (hours * 60 + minutes * 1) * 60e3;
        const at = new Date(Number(first / 1000000n) + Math.round(value * 1e3) + shift).toISOString();
        const date = at.slice(0, 10), time = at.slice(11, step < 1 ? 23 : 19) + zone;
        const text = date === day ? time : `${date} ${time}`;
        day = date;
        return text;
      });
    };
    const places = (u, _axis, low, high) => {
      const count = Math.max(1, Math.floor(u.bbox.width / devicePixelRatio / 180));
      return Array.from({ length: count }, (_, n) => low + (high - low) * (n + 0.5) / count);
    };
    const stepped = uPlot.paths.stepped({ align: 1 });
    const options = {
      width: drawing.clientWidth, height: 280, legend: { show: false }, padding: [8, 12, 0, 0],
      scales: { x: { time: false }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      cursor: { drag: { x: true, y: false }, points: { show: false }, y: false },
      axes: [
        { ...axis, size: 30, values: labelled, splits: places },
        { ...axis, size: 84, values: (u, splits) => splits.map(shown) },
      ],
      series: [{}, ...names.map((_, n) => names.length - 1 - n).map(n => ({
        label: names[n], paths: stepped, points: { show: false }, width: 0, fill: () => color(`--s${n % 9}`),
      }))],
      hooks: { setCursor: [u => { say(u.cursor.idx); }] },
    };
    drawing.prepend(plot, at);
    still.setAttribute("hidden", "");
    legend.hidden = true;
    legend.before(live);
    const u = new uPlot(options, stacked(), plot);
    const whole = () => u.setScale("x", { min: times[0], max: times[times.length - 1] });
    [...live.children].forEach((item, n) => {
      const button = make("button", { type: "button" }, ...item.childNodes);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        on[n] = !on[n];
        button.setAttribute("aria-pressed", String(on[n]));
        u.setData(stacked(), false);
        u.redraw();
        u.setScale("x", { min: u.scales.x.min, max: u.scales.x.max });
      });
      item.replaceChildren(button);
    });
    live.after(make("p", { className: "note plot-hint", textContent: words.hint }));
    const go = index => {
      const bounded = Math.max(0, Math.min(points.length - 1, index));
      u.setCursor({ left: u.valToPos(times[bounded], "x"), top: 10 });
      spoken.textContent = say(bounded);
    };
    plot.addEventListener("keydown", event => {
      const now = u.cursor.idx ?? -1, { min, max } = u.scales.x, middle = now >= 0 ? times[now] : (min + max) / 2;
      const zoom = factor => u.setScale("x", { min: Math.max(times[0], middle - (middle - min) * factor), max: Math.min(times[times.length - 1], middle + (max - middle) * factor) });
      const acts = {
        ArrowRight: () => go(now + 1), ArrowLeft: () => go(now - 1), Home: () => go(0), End: () => go(points.length - 1),
        "+": () => zoom(0.5), "-": () => zoom(2), Escape: whole,
      };
      if (!(event.key in acts) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[event.key]();
    });
    new ResizeObserver(() => { if (drawing.clientWidth) u.setSize({ width: drawing.clientWidth, height: drawing.clientWidth < 560 ? 220 : 280 }); }).observe(drawing);
    repaint.add(() => u.redraw(false, true));
  };
  document.querySelectorAll(".chart").forEach(interactive);
})();
