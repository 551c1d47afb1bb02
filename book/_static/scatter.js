"use strict";
// The scatter of scenes: other quantities and methods than the static plot shows, from the numbers beside it.
// Tab enters the plot at one point; arrow keys go from point to point along x, Enter opens the scene's page.

(() => {
  const { element, svg, select, ticks, number, each } = window.lstsrPage;
  const MARGIN = { left: 58, right: 16, top: 14, bottom: 50 };
  const NONE = "";

  class Scatter {
    constructor(box, data) {
      this.data = data;
      this.box = box;
      this.plot = box.querySelector("svg.lstsr-scatter");
      this.caption = box.querySelector("figcaption");
      this.tip = element("div", { class: "scatter-tip", "aria-hidden": "true", hidden: "" });
      const { shown, quantities, methods } = data;
      const axes = quantities.map(({ name, label }) => [name, label]);
      const names = methods.map(({ name, label }) => [name, label]);
      const controls = [
        ["y", "Up", axes, shown.y], ["x", "Across", axes, shown.x], ["method", "Method", names, shown.method],
        ["other", "Compare with", [[NONE, "no other"], ...names], NONE],
      ].map(([key, label, choices, chosen]) => {
        const [control, labelled] = select(label, choices, chosen);
        control.addEventListener("change", () => this.draw());
        this[key] = control;
        return labelled;
      });
      this.legend = element("p", { class: "scatter-legend" });
      this.plot.before(element("div", { class: "scatter-controls" }, ...controls), this.legend);
      box.append(this.tip);
      this.listen();
      this.width = 0;
      const fit = () => this.plot.clientWidth && this.plot.clientWidth !== this.width && this.draw();
      new ResizeObserver(() => requestAnimationFrame(fit)).observe(this.plot);
    }

    listen() {
      const { box } = this; // an SVG that listens for focus becomes a tab stop of its own
      const pointOf = (event) => event.target.closest("svg.lstsr-scatter a");
      box.addEventListener("keydown", (event) => this.onKey(event));
      for (const kind of ["pointerover", "focusin"]) box.addEventListener(kind, (event) => this.showTip(pointOf(event)));
      for (const kind of ["pointerleave", "focusout"]) box.addEventListener(kind, () => this.showTip(null));
      box.addEventListener("focusin", (event) => pointOf(event) && this.enterAt(pointOf(event)));
    }

    onKey(event) {
      if (event.key === "Escape") this.showTip(null);
      const links = this.links();
      const at = links.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: links.length - 1 }[event.key];
      if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      links[Math.min(links.length - 1, Math.max(0, to))].focus();
    }

    links() { return [...this.plot.querySelectorAll("a")]; }

    /** Make one point the place where Tab enters. */
    enterAt(link) { this.links().forEach((other) => other.setAttribute("tabindex", other === link ? 0 : -1)); }

    quantity(name) { return this.data.quantities.find((quantity) => quantity.name === name); }

    label(method) { return this.data.methods.find(({ name }) => name === method).label; }

    value(quantity, method, index) {
      const values = quantity.of === "scene" ? this.data.of_scene : this.data.of_method[method];
      return values[quantity.name][index];
    }

    /** Points {scene, page, method, x, y} of a method, where both values are known. */
    points(method, x, y) {
      return this.data.scenes
        .map(({ name, page }, index) => ({ scene: name, page, method, x: this.value(x, method, index), y: this.value(y, method, index) }))
        .filter((point) => point.x !== null && point.y !== null);
    }

    draw() {
      const [x, y] = [this.quantity(this.x.value), this.quantity(this.y.value)];
      const { value: method } = this.method;
      const other = this.other.value === method ? NONE : this.other.value;
      const focused = document.activeElement?.closest?.("svg") === this.plot;
      this.width = Math.max(280, this.plot.clientWidth);
      const height = Math.round(Math.min(460, Math.max(300, 0.68 * this.width)));
      const first = this.points(method, x, y);
      const second = other ? this.points(other, x, y) : [];
      const all = [...first, ...second].sort((one, next) => one.x - next.x);
      const across = scale(all.map((point) => point.x), MARGIN.left, this.width - MARGIN.right);
      const up = scale(all.map((point) => point.y), height - MARGIN.bottom, MARGIN.top);
      const places = new Map(first.map((point) => [point.scene, point]));
      const joins = second.filter(({ scene }) => places.has(scene)).map((point) => {
        const partner = places.get(point.scene);
        return svg("path", { class: "scatter-join", d: `M${across.at(partner.x)} ${up.at(partner.y)}L${across.at(point.x)} ${up.at(point.y)}` });
      });
      const title = `${y.label} of ${this.label(method)}${other ? ` and ${this.label(other)}` : ""} against ${x.label}, ` +
        (other ? "two points a scene" : "one point a scene");
      this.plot.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
      this.plot.setAttribute("aria-label", `${title}; arrow keys go from point to point`);
      this.caption.textContent = `${title}. A point opens the page of its scene.`;
      this.plot.replaceChildren(
        this.axes(x, y, across, up, this.width, height), svg("g", { "aria-hidden": "true" }, ...joins),
        ...all.map((point) => this.link(point, x, y, across, up, point.method === other)));
      const [entry] = this.links();
      this.enterAt(entry);
      if (focused) entry?.focus();
      this.legend.replaceChildren(...(other ? [["", method], ["second", other]] : []).map(([kind, name]) =>
        element("span", { class: `scatter-key ${kind}` }, this.label(name))));
      if (!all.length) this.legend.textContent = "No scene has both values.";
      this.showTip(null);
    }

    axes(x, y, across, up, width, height) {
      const [bottom, right] = [height - MARGIN.bottom, width - MARGIN.right];
      const words = (text, attributes) => svg("text", attributes, text);
      return svg("g", { class: "scatter-axes", "aria-hidden": "true" },
        ...ticks(across.low, across.high, width > 420 ? 8 : 5).flatMap(({ value, text }) => [
          svg("path", { class: "scatter-grid", d: `M${across.at(value)} ${MARGIN.top}V${bottom}` }),
          words(text, { x: across.at(value), y: bottom + 18, "text-anchor": "middle" })]),
        ...ticks(up.low, up.high, 6).flatMap(({ value, text }) => [
          svg("path", { class: "scatter-grid", d: `M${MARGIN.left} ${up.at(value)}H${right}` }),
          words(text, { x: MARGIN.left - 8, y: up.at(value), dy: "0.35em", "text-anchor": "end" })]),
        words(x.label, { x: (MARGIN.left + right) / 2, y: height - 10, "text-anchor": "middle" }),
        words(y.label, { transform: `translate(15 ${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }));
    }

    link(point, x, y, across, up, second) {
      const values = [[y, point.y], [x, point.x]].map(([quantity, value]) => `${quantity.label} ${number(value, quantity.decimals)}`);
      const name = `Scene ${point.scene}, ${this.label(point.method)}: ${values.join(", ")}`;
      const [left, top] = [across.at(point.x), up.at(point.y)];
      const mark = second
        ? svg("path", { class: "scatter-point second", d: `M${left} ${top}m-6 0l6 -6l6 6l-6 6z` })
        : svg("circle", { class: "scatter-point", cx: left, cy: top, r: 5 });
      return svg("a", { href: point.page, "aria-label": name }, svg("circle", { class: "scatter-reach", cx: left, cy: top, r: 11 }), mark);
    }

    showTip(link) {
      this.tip.hidden = !link;
      if (!link) return;
      this.tip.textContent = link.getAttribute("aria-label");
      const [box, point] = [this.box.getBoundingClientRect(), link.querySelector(".scatter-point").getBoundingClientRect()];
      const room = box.width - this.tip.offsetWidth;
      this.tip.style.left = `${Math.min(room, Math.max(0, point.left - box.left - this.tip.offsetWidth / 2))}px`;
      this.tip.style.top = `${point.top - box.top - this.tip.offsetHeight - 8}px`;
    }
  }

  /** From values to positions between two ends, with a margin. */
  function scale(values, start, end) {
    const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const margin = 0.06 * (most - least) || 0.5;
    const [low, high] = [least - margin, most + margin];
    return { low, high, at: (value) => Number((start + ((value - low) / (high - low)) * (end - start)).toFixed(1)) };
  }

  each(".scatter-box", (box) => {
    const data = box.querySelector('script[type="application/json"]');
    if (data) new Scatter(box, JSON.parse(data.textContent));
  });
})();
