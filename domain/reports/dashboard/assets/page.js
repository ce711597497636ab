"use strict";
// The charts of the page, its language, its appearance and its refresh. Without this script the
// tables are complete, in English (or the language that was asked for), with times in UTC.
(() => {
  const COLOURS = ["#2f6fde", "#8250c4", "#0d7f7a", "#c2571a", "#b0307a", "#5b7d1f"];
  const LEVELS = { warning: "rgba(224,161,0,.14)", error: "rgba(211,58,58,.16)" };
  const MOST_LINES = 12; // of single machines that are drawn without being asked for
  const HOUR = 3600;
  const HEIGHT = 230;

  const root = document.documentElement;
  const kept = {
    read: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    write: (key, value) => { try { localStorage.setItem(key, value); } catch { /* a file: none */ } },
  };
  let data = read(document);
  let charts = [];
  let shown = null; // [from, to] of the x axis, in seconds; null: everything
  let machine = null; // "", "*" or a machine's name; null: not chosen yet

  function read(page) {
    return JSON.parse(page.getElementById("data").textContent);
  }

  // Words: each text that is translated has both languages in its attributes.

  const isChinese = () => root.lang.startsWith("zh");

  function speak(language) {
    root.lang = language;
    for (const one of document.querySelectorAll("[data-zh]"))
      one.textContent = isChinese() ? one.dataset.zh : one.dataset.en;
    document.getElementById("language").textContent = isChinese() ? "English" : "中文";
    const clock = new Intl.DateTimeFormat(isChinese() ? "zh-CN" : undefined, {
      month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
    });
    for (const one of document.querySelectorAll("time"))
      one.textContent = clock.format(new Date(one.dateTime));
  }

  // Charts.

  function colour(group) {
    const groups = [...new Set(data.charts.flatMap((chart) => chart.groups.map((one) => one.group)))];
    return COLOURS[Math.max(0, groups.indexOf(group)) % COLOURS.length];
  }

  function format(value, unit) {
    if (value == null) return "–";
    if (unit === "B/s") {
      const step = value < 1e3 ? [1, "B/s"] : value < 1e6 ? [1e3, "kB/s"] : [1e6, "MB/s"];
      return `${+(value / step[0]).toFixed(1)} ${step[1]}`;
    }
    return `${+value.toPrecision(4)}${unit === "%" ? " %" : ""}`;
  }

  // "" stands for a slice between two samples, which uPlot knows as undefined.
  const values = (line) => line.map((value) => (value === "" ? undefined : value));

  function linesOf(chart) {
    const lines = [], bands = [];
    for (const one of chart.groups) {
      const stroke = colour(one.group), at = lines.length + 1;
      const bounds = chart.groups.length < 4 && one.minimum.some((v, i) => v !== one.maximum[i]);
      lines.push({ label: one.group || "–", stroke, width: 2, data: values(one.average),
        value: (_, v, __, i) => i == null || v == null || !bounds ? format(v, chart.unit)
          : `${format(v, chart.unit)} (${format(one.minimum[i], chart.unit)} … ${format(one.maximum[i], chart.unit)})` });
      if (bounds) {
        for (const bound of [one.maximum, one.minimum])
          lines.push({ stroke: stroke + "55", width: 0.6, data: values(bound), hidden: true, points: { show: false } });
        bands.push({ series: [at + 1, at + 2], fill: stroke + "22" });
      }
    }
    const wanted = chart.machines.filter((one) => machine === "*" || one.name === machine);
    for (const one of wanted)
      lines.push({ label: one.name, stroke: colour(one.group) + (machine === "*" ? "88" : ""), width: 1,
        dash: machine === "*" ? undefined : [5, 3], data: values(one.values),
        value: (_, v) => format(v, chart.unit), hidden: machine === "*" && wanted.length > MOST_LINES });
    return { lines, bands };
  }

  const marks = { hooks: { drawClear: (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const [begin, end, level] of data.alarms) {
      const left = Math.max(plot.valToPos(begin, "x", true), bbox.left);
      const right = Math.min(plot.valToPos(end, "x", true), bbox.left + bbox.width);
      ctx.fillStyle = LEVELS[level] || LEVELS.warning;
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.strokeStyle = "#d9a94f";
    ctx.setLineDash([4, 4]);
    for (const [time] of data.scalings) {
      const at = plot.valToPos(time, "x", true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      ctx.beginPath(); ctx.moveTo(at, bbox.top); ctx.lineTo(at, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.restore();
  } } };

  function draw(place, titleEn, titleZh, unit, times, lines, bands, stepped) {
    const card = document.createElement("div"), head = document.createElement("h3");
    card.className = "chart";
    Object.assign(head.dataset, { en: `${titleEn}${unit && unit !== "B/s" ? ` (${unit})` : ""}`,
      zh: `${titleZh}${unit && unit !== "B/s" ? `（${unit}）` : ""}` });
    head.textContent = isChinese() ? head.dataset.zh : head.dataset.en;
    card.append(head);
    place.append(card);
    const ink = getComputedStyle(root).getPropertyValue("--dim"), grid = getComputedStyle(root).getPropertyValue("--grid");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const paths = stepped ? uPlot.paths.stepped({ align: 1 }) : undefined;
    const plot = new uPlot({
      width: card.clientWidth - 16, height: HEIGHT, plugins: [marks], bands,
      cursor: { sync: { key: "all" }, drag: { x: true, y: false } },
      scales: { x: { range: (_, from, to) => shown || [from, to] }, y: { range: (_, low, high) =>
        [Math.min(0, low ?? 0), (high || 0) > 0 ? (unit === "%" ? Math.min(100, high * 1.15) : high * 1.15) : 1] } },
      axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map((v) => format(v, unit)) }],
      series: [{ label: isChinese() ? "时间" : "Time", value: (_, v) => v == null ? "–" : new Date(v * 1000).toLocaleString() },
        ...lines.map(({ data: _, hidden, ...line }) => ({ ...line, paths, spanGaps: false }))],
      hooks: { setSelect: [(one) => {
        if (one.select.width < 4) return;
        zoom([one.posToVal(one.select.left, "x"), one.posToVal(one.select.left + one.select.width, "x")]);
      }] },
    }, [times, ...lines.map((line) => line.data)], card);
    lines.forEach((line, number) => {
      const row = card.querySelectorAll(".u-legend .u-series")[number + 1];
      if (line.hidden && row) row.style.display = "none";
    });
    plot.over.addEventListener("dblclick", () => zoom(null));
    charts.push([plot, card]);
  }

  function drawAll() {
    charts.forEach(([plot]) => plot.destroy());
    charts = [];
    const place = document.getElementById("charts");
    place.replaceChildren();
    for (const chart of data.charts) {
      const { lines, bands } = linesOf(chart);
      draw(place, chart.title, chart.zh, chart.unit, data.times, lines, bands, false);
    }
    const groups = Object.keys(data.sizes);
    const times = [...new Set(groups.flatMap((group) => data.sizes[group].map(([time]) => time)))].sort((a, b) => a - b);
    if (times.length) {
      const lines = groups.map((group) => {
        const steps = data.sizes[group];
        return { label: group, stroke: colour(group), width: 2, value: (_, v) => v == null ? "–" : v,
          data: times.map((time) => steps.reduce((size, [at, then]) => (at <= time ? then : size), null)) };
      });
      draw(place, "Machines", "虚机", "", times, lines, [], true);
    }
    fit();
  }

  function fit() {
    for (const [plot, card] of charts) {
      const width = card.clientWidth - 16;
      if (width > 0 && Math.abs(width - plot.width) > 2) plot.setSize({ width, height: HEIGHT });
    }
  }

  function zoom(range) {
    shown = range;
    const from = range ? range[0] : data.times[0], to = range ? range[1] : data.until;
    for (const [plot] of charts) {
      plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      plot.setScale("x", { min: from, max: to });
    }
    for (const one of document.querySelectorAll("[data-hours]"))
      one.setAttribute("aria-pressed", String(!range ? one.dataset.hours === "0" : false));
  }

  // Controls.

  function fillMachines() {
    const list = document.getElementById("machine");
    const names = [...new Set(data.charts.flatMap((chart) => chart.machines.map((one) => one.name)))].sort();
    if (machine === null) machine = names.length && names.length <= MOST_LINES ? "*" : "";
    for (const old of [...list.options].slice(2)) old.remove();
    for (const name of names) list.add(new Option(name, name));
    list.value = names.includes(machine) || machine === "*" ? machine : "";
  }

  function dress(theme) {
    if (theme) root.dataset.theme = theme;
    drawAll();
  }

  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  async function refresh() {
    const note = document.getElementById("stale");
    try {
      const reply = await fetch(location.origin + location.pathname, { cache: "no-store", credentials: "same-origin" });
      if (!reply.ok) throw new Error(reply.status);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      data = read(page);
      for (const id of ["head", "tiles", "tables"])
        document.getElementById(id).replaceWith(page.getElementById(id));
      note.hidden = true;
      fillMachines();
      drawAll();
      speak(root.lang);
    } catch { note.hidden = false; }
  }

  document.getElementById("controls").hidden = false;
  document.getElementById("language").onclick = () => {
    kept.write("language", isChinese() ? "en" : "zh");
    speak(isChinese() ? "en" : "zh");
    drawAll();
  };
  document.getElementById("theme").onclick = () => {
    kept.write("theme", isDark() ? "light" : "dark");
    dress(isDark() ? "light" : "dark");
  };
  document.getElementById("machine").onchange = (event) => { machine = event.target.value; drawAll(); };
  for (const one of document.querySelectorAll("[data-hours]"))
    one.onclick = () => {
      zoom(+one.dataset.hours ? [data.until - one.dataset.hours * HOUR, data.until] : null);
      one.setAttribute("aria-pressed", "true");
    };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(fit).observe(document.getElementById("charts"));

  if (kept.read("theme")) root.dataset.theme = kept.read("theme");
  speak(root.dataset.language || kept.read("language") || (navigator.language.startsWith("zh") ? "zh" : "en"));
  fillMachines();
  drawAll();
  if (+root.dataset.refresh) setInterval(refresh, 1000 * +root.dataset.refresh);
})();
