// Charts that answer the pointer, and times by the reader's own clock. Every page is complete without this: it draws
// again, on a canvas, what stands in the page as SVG. Nothing is fetched.
(() => {
  "use strict";
  const HEIGHT = 200;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "here";
  const root = () => getComputedStyle(document.documentElement);
  const css = (name) => root().getPropertyValue(name).trim();
  const shown = [];

  const utc = (seconds) => new Date(seconds * 1e3).toISOString().slice(5, 16).replace("T", " ") + " UTC";
  const clock = (seconds, wide) => {
    const date = new Date(seconds * 1e3);
    if (wide <= 86400) return date.toISOString().slice(11, 16);
    return date.toLocaleDateString("en", { timeZone: "UTC", day: "numeric", month: "short" });
  };
  const local = (date) => date.toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

  const told = (value, unit) => {
    if (value === null || value === undefined) return "–";
    if (unit === "share") return `${+(value * 100).toPrecision(3)} %`;
    if (unit === "ms") return value < 1000 ? `${+value.toPrecision(3)} ms` : `${+(value / 1000).toPrecision(3)} s`;
    return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
  };

  // One on top of the other: the tallest is drawn first, the others over it.
  const stacked = (series) => {
    const below = series[0].values.map(() => 0);
    const tops = series.map((one) => one.values.map((value, i) => (value === null ? null : (below[i] += value))));
    return tops.reverse();
  };

  const colourOf = (figure, name) => {
    const swatch = figure.querySelector(`.legend .${name}`);
    return swatch ? getComputedStyle(swatch).getPropertyValue("--c").trim() : css("--s1");
  };

  const lines = (data, figure) => {
    const rows = [data.x];
    const series = [{}];
    const bands = [];
    if (data.kind !== "lines") {
      // Areas are bars without gaps: a step that stands alone is seen too.
      const bars = uPlot.paths.bars({ size: data.kind === "bars" ? [0.88, 60] : [1, Infinity], align: 1 });
      [...data.series].reverse().forEach((one, i) => {
        const colour = colourOf(figure, one.colour);
        rows.push(stacked(data.series)[i]);
        series.push({ stroke: colour, fill: colour, width: 0, paths: bars, points: { show: false } });
      });
      return { rows, series, bands };
    }
    data.series.forEach((one) => {
      const colour = colourOf(figure, one.colour);
      if (one.low && one.high) {
        rows.push(one.high, one.low);
        series.push({ width: 0, points: { show: false } }, { width: 0, points: { show: false } });
        bands.push({ series: [series.length - 2, series.length - 1], fill: `color-mix(in srgb, ${colour} 18%, transparent)` });
      }
      rows.push(one.values);
      series.push({ stroke: colour, width: 2, dash: one.dashed ? [6, 5] : undefined, points: { show: alone(one.values) } });
    });
    return { rows, series, bands };
  };

  // A value without neighbours makes no line.
  const alone = (values) => values.some((v, i) => v !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null);

  const upright = (u, x, colour, dash) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash(dash.map((one) => one * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  };

  const shade = (data) => (u) => {
    u.ctx.save();
    u.ctx.fillStyle = css("--shade");
    data.shaded.forEach((step) => {
      const left = u.valToPos(data.from + step * data.step, "x", true);
      const right = u.valToPos(data.from + (step + 1) * data.step, "x", true);
      u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    });
    u.ctx.restore();
  };

  const over = (data) => (u) => {
    data.marks.forEach((one) => upright(u, u.valToPos(one.at, "x", true), css("--ink"), [5, 3]));
    if (data.baseline === null) return;
    const { ctx, bbox } = u;
    const y = u.valToPos(data.baseline, "y", true);
    ctx.save();
    ctx.strokeStyle = css("--strong-line");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  };

  const reading = (data, out) => (u) => {
    const i = u.cursor.idx;
    if (i === null || i === undefined) {
      out.textContent = "";
      return;
    }
    const at = data.from + Math.floor((data.x[i] - data.from) / data.step) * data.step;
    const parts = data.series.map((one) => `${one.name} ${told(one.values[i], data.unit)}`);
    const mark = data.marks.filter((one) => one.at >= at && one.at < at + data.step).map((one) => one.text);
    out.textContent = [`${utc(at)} (${local(new Date(at * 1e3))} here)`, ...parts, ...mark].join(" · ");
  };

  const draw = (figure) => {
    const data = JSON.parse(figure.dataset.chart);
    const box = figure.querySelector(".drawing");
    if (!data.series.length || !data.x.length) return;
    const plot = box.querySelector(".plot");
    const hours = box.querySelector(".x");
    const out = document.createElement("p");
    const place = document.createElement("div");
    out.className = "readout";
    out.setAttribute("aria-hidden", "true");
    place.setAttribute("aria-hidden", "true");
    plot.hidden = hours.hidden = true;
    box.append(place, out);
    const { rows, series, bands } = lines(data, figure);
    const axis = { stroke: css("--muted"), font: "11px ui-sans-serif, system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: css("--grid"), width: 1 };
    const chart = new uPlot({
      width: box.clientWidth,
      height: HEIGHT,
      series,
      bands,
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
      cursor: { sync: { key: "time" }, points: { show: data.kind === "lines" }, drag: { x: true, y: false } },
      scales: {
        x: { time: true, range: (_u, low, high) => (low === data.x[0] ? [data.from, data.to] : [low, high]) },
        y: { distr: data.log ? 3 : 1, range: data.scale },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 30, space: 64, values: (u, ticks) => ticks.map((one) => clock(one, u.scales.x.max - u.scales.x.min)) },
        { ...axis, grid, size: 58, splits: () => [...data.ticks].reverse(), values: (_u, ticks) => ticks.map((one) => (one === null ? "" : told(one, data.unit))) },
      ],
      hooks: { drawClear: [shade(data)], draw: [over(data)], setCursor: [reading(data, out)] },
    }, rows, place);
    const resized = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    shown.push(() => {
      resized.disconnect();
      chart.destroy();
      place.remove();
      out.remove();
      plot.hidden = hours.hidden = false;
    });
  };

  const drawAll = () => {
    shown.splice(0).forEach((undo) => undo());
    document.querySelectorAll("figure[data-chart]").forEach(draw);
  };

  document.querySelectorAll("time[datetime]").forEach((one) => {
    one.title = `${local(new Date(one.dateTime))} (${zone})`;
  });
  const asOf = document.getElementById("as-of");
  const made = asOf?.querySelector("time");
  if (made) asOf.append(` By your clock it is as of ${local(new Date(made.dateTime))} (${zone}); point at any time for the same.`);
  if (typeof uPlot === "function") {
    drawAll();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  }
})();
