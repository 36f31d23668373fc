// Draws each chart's data with Chart.js, in the colours of the theme.
"use strict";

const drawn = new Map();

function colours() {
  const style = getComputedStyle(document.documentElement);
  return {
    ink: style.getPropertyValue("--ink"), dim: style.getPropertyValue("--dim"), line: style.getPropertyValue("--line"),
    paper: style.getPropertyValue("--paper"),
    palette: Array.from({ length: 12 }, (_, place) => style.getPropertyValue(`--c${place}`).trim()),
  };
}

// Intervals as whiskers, which the library has not.
const whiskers = {
  id: "whiskers",
  afterDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    chart.data.datasets.forEach((set, number) => {
      if (!set.low?.length || !chart.isDatasetVisible(number)) return;
      ctx.save();
      ctx.strokeStyle = set.borderColor;
      chart.getDatasetMeta(number).data.forEach((point, place) => {
        if (set.low[place] == null) return;
        const top = scales.y.getPixelForValue(set.high[place]), end = scales.y.getPixelForValue(set.low[place]);
        ctx.beginPath();
        ctx.moveTo(point.x, top); ctx.lineTo(point.x, end);
        for (const y of [top, end]) { ctx.moveTo(point.x - 3, y); ctx.lineTo(point.x + 3, y); }
        ctx.stroke();
      });
      ctx.restore();
    });
  },
};

function sets(chart, shade) {
  return chart.series.map((series) => {
    const colour = shade.palette[series.color % shade.palette.length];
    return {
      label: series.name, data: series.values, low: series.low, high: series.high,
      borderColor: colour, backgroundColor: colour, borderWidth: chart.kind === "line" ? 2 : 0,
      pointBackgroundColor: series.values.map((_, place) => (series.hollow[place] ? shade.paper : colour)),
      pointRadius: series.values.length > 60 ? 0 : 4, spanGaps: true, tension: 0,
    };
  });
}

// The library knows nothing of intervals: without this an axis ends at the outermost value.
function room(chart) {
  const ends = chart.series.flatMap((series) => [...(series.low ?? []), ...(series.high ?? [])]).filter((end) => end != null);
  return ends.length ? { suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) } : {};
}

function settings(chart, shade) {
  const line = chart.kind === "line", across = chart.kind === "bar";
  const said = { color: shade.dim }, grid = { color: shade.line };
  const values = { ticks: { ...said }, grid, title: { display: !!chart.unit, text: chart.unit, ...said }, stacked: chart.kind === "stacked", max: chart.largest ?? undefined, beginAtZero: !line, ...room(chart) };
  const labels = { ticks: { ...said, autoSkip: !across }, grid: { display: false }, title: { display: !across, text: chart.axis, ...said }, stacked: chart.kind === "stacked" };
  return {
    type: line ? "line" : "bar",
    data: { labels: chart.labels, datasets: sets(chart, shade) },
    plugins: [whiskers],
    options: {
      indexAxis: across ? "y" : "x", animation: false, responsive: true, maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false, axis: across ? "y" : "x" },
      scales: across ? { x: values, y: labels } : { x: labels, y: values },
      plugins: { legend: { display: chart.series.length > 1, labels: { color: shade.ink, boxWidth: 12 } } },
    },
  };
}

// A chart is drawn when it is about to be seen: a long run has ten, and the page should not wait for them.

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    drawn.set(target.dataset.chart, new Chart(target, settings(dataOf(target.dataset.chart), colours())));
  }
}, { rootMargin: "200px" });

function draw() {
  for (const chart of drawn.values()) chart.destroy();
  drawn.clear();
  seen.disconnect();
  for (const canvas of document.querySelectorAll("canvas[data-chart]")) seen.observe(canvas);
}

// The figures of a chart as a table, made when somebody opens it: a long run has hundreds of rows in each.

function said(series, place) {
  const value = series.values[place];
  if (value == null) return "–";
  const range = series.low?.length ? ` (${+series.low[place].toFixed(2)} to ${+series.high[place].toFixed(2)})` : "";
  return `${+value.toPrecision(6)}${range}${series.hollow?.[place] ? ", not kept" : ""}`;
}

function cell(kind, text, scope) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
}

function table(chart) {
  const made = document.createElement("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  made.className = "figures";
  const unit = chart.unit ? `, ${chart.unit}` : "";
  head.append(cell("th", chart.axis, "col"), ...chart.series.map((series) => cell("th", series.name + unit, "col")));
  chart.labels.forEach((label, place) => {
    const row = body.insertRow();
    row.append(cell("th", label, "row"), ...chart.series.map((series) => cell("td", said(series, place))));
  });
  return made;
}

function figures() {
  for (const details of document.querySelectorAll("details[data-figures]")) {
    details.addEventListener("toggle", () => {
      const place = details.querySelector(".scroll");
      if (!details.open || place.firstChild) return;
      place.append(table(dataOf(details.dataset.figures)));
    });
  }
}

function dataOf(name) {
  return JSON.parse(document.querySelector(`script[data-for="${CSS.escape(name)}"]`).textContent);
}

document.addEventListener("redraw", figures);
figures();
document.addEventListener("redraw", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
