"use strict";
// The slider viewer: two products of a scene on one canvas, left and right of a divider, or their difference.
// <div class="lstsr-viewer" data-scene data-script data-left data-right> holds a static figure, which stays
// where the viewer cannot work. The scene's data are loaded when the viewer comes near the screen.

(() => {
  const { element, number, ticks } = window.lstsrPage;
  const ANNOUNCE_AFTER_MS = 400;
  const NO_VALUE = "no value";

  class Viewer {
    constructor(host, scene) {
      const { left, right, scene: id } = host.dataset;
      const names = scene.products.map(({ name }) => name);
      this.scene = scene;
      this.left = names.includes(left) ? left : names[0];
      this.right = names.includes(right) ? right : names.at(-1);
      this.difference = false;
      this.fraction = 0.5; // of the stage's width, left of the divider
      this.view = new window.lstsrMapView(scene.rows, scene.columns);
      this.cursor = null; // {row, column}
      this.fingers = new Map(); // or the mouse: where each pointer that is down on the map was last
      this.pictures = {};
      Object.assign(this, window.lstsrViewerParts(id, scene, this.left, this.right));
      this.listen();
    }

    listen() {
      const { canvas, divider } = this;
      this.leftSelect.addEventListener("change", () => this.choose(this.leftSelect.value, this.right));
      this.rightSelect.addEventListener("change", () => this.choose(this.left, this.rightSelect.value));
      this.swap.addEventListener("click", () => this.choose(this.right, this.left));
      this.check.addEventListener("change", () => this.choose(this.left, this.right));
      this.zoomIn.addEventListener("click", () => this.zoomBy(1.5));
      this.zoomOut.addEventListener("click", () => this.zoomBy(1 / 1.5));
      this.reset.addEventListener("click", () => this.zoomBy(0));
      canvas.addEventListener("keydown", (event) => this.onMapKey(event));
      canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && !this.cursor && this.moveCursor(0, 0));
      canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        this.fingers.set(event.pointerId, event);
        if (this.fingers.size === 1) this.pointAt(event);
      });
      this.stage.addEventListener("pointermove", (event) => this.onPointerMove(event)); // over the divider too
      for (const end of ["pointerup", "pointercancel"]) {
        canvas.addEventListener(end, (event) => this.fingers.delete(event.pointerId));
      }
      divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
      divider.addEventListener("keydown", (event) => this.onDividerKey(event));
      new ResizeObserver(() => this.draw()).observe(this.stage);
      window.addEventListener("resize", () => this.draw()); // another pixel ratio
    }

    /** Show two products, or their difference; where one is damaged, say so and leave what is shown. */
    choose(left, right) {
      return this.show(left, right, this.check.checked).catch((error) => {
        this.settle();
        this.place.textContent = this.live.textContent = error.message;
      });
    }

    async show(left, right, difference = false) {
      const { scene } = this;
      const wanted = (this.wanted = {});
      this.root.setAttribute("aria-busy", "true");
      const aster = scene.has("aster") ? scene.values("aster") : [];
      const [a, b, reference] = await Promise.all([scene.values(left), scene.values(right), aster]);
      if (wanted !== this.wanted) return; // chosen anew meanwhile
      const minus = a.map((value, index) => b[index] - value);
      Object.assign(this, { left, right, difference });
      this.values = { left: a, right: b, difference: minus, aster: reference };
      this.limits = difference ? window.lstsrSceneData.symmetricLimits(minus) : scene.limits;
      this.colours = difference ? "RdBu_r" : "inferno";
      const paint = (values) => window.lstsrSceneData.picture(values, scene.rows, scene.columns, this.limits, this.colours);
      this.pictures = difference ? { left: paint(minus) } : { left: paint(a), right: paint(b) };
      this.divider.hidden = this.rightTag.hidden = difference;
      this.leftTag.textContent = difference ? `${scene.label(right)} − ${scene.label(left)}` : scene.label(left);
      this.rightTag.textContent = scene.label(right);
      this.moveDivider(this.fraction);
      this.showScale();
      this.showValues();
      this.settle();
    }

    /** The controls say what is shown. */
    settle() {
      this.leftSelect.value = this.left;
      this.rightSelect.value = this.right;
      this.check.checked = this.difference;
      this.root.removeAttribute("aria-busy");
    }

    moveDivider(fraction) {
      this.fraction = Math.min(1, Math.max(0, fraction));
      const percent = Math.round(100 * this.fraction);
      this.divider.style.left = `${100 * this.fraction}%`;
      this.divider.setAttribute("aria-valuenow", percent);
      const [left, right] = [this.left, this.right].map((name) => this.scene.label(name));
      this.divider.setAttribute("aria-valuetext", `${percent} % ${left}, ${100 - percent} % ${right}`);
      this.draw();
    }

    onDividerKey(event) {
      const step = event.shiftKey ? 0.1 : 0.02;
      const to = {
        ArrowLeft: this.fraction - step, ArrowDown: this.fraction - step, PageDown: this.fraction - 0.1, Home: 0,
        ArrowRight: this.fraction + step, ArrowUp: this.fraction + step, PageUp: this.fraction + 0.1, End: 1,
      }[event.key];
      if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.moveDivider(to);
    }

    onMapKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey ? 10 : 1;
      const act = {
        ArrowLeft: () => this.moveCursor(0, -step), ArrowRight: () => this.moveCursor(0, step),
        ArrowUp: () => this.moveCursor(-step, 0), ArrowDown: () => this.moveCursor(step, 0),
        "+": () => this.zoomBy(1.5, this.cursorCentre()), "=": () => this.zoomBy(1.5, this.cursorCentre()),
        "-": () => this.zoomBy(1 / 1.5, this.cursorCentre()), 0: () => this.zoomBy(0),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    }

    onWheel(event) {
      const before = this.view.zoom;
      if (document.activeElement !== this.canvas && !event.ctrlKey && !event.metaKey) return; // the page scrolls
      this.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, this.position(event));
      if (this.view.zoom !== before || event.ctrlKey) event.preventDefault();
    }

    onPointerMove(event) {
      if (this.divider.hasPointerCapture(event.pointerId)) return this.moveDivider(this.onStage(event).right);
      const last = this.fingers.get(event.pointerId);
      const [other] = [...this.fingers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
      if (!last || (!other && this.view.zoom === 1)) return this.pointAt(event);
      this.fingers.set(event.pointerId, event);
      if (other) {
        const apart = ({ clientX, clientY }) => Math.hypot(clientX - other.clientX, clientY - other.clientY);
        const middle = { clientX: (last.clientX + other.clientX) / 2, clientY: (last.clientY + other.clientY) / 2 };
        this.zoomBy(apart(event) / Math.max(1, apart(last)), this.position(middle));
      }
      const pixels = this.view.width / this.canvas.clientWidth;
      const share = other ? 0.5 : 1; // what lies between two fingers moves half as far as one of them
      this.view.moveBy(share * (last.clientX - event.clientX) * pixels, share * (last.clientY - event.clientY) * pixels);
      this.draw();
    }

    /** Where an event is, as fractions of the stage's width and height. */
    onStage(event) {
      const box = this.stage.getBoundingClientRect();
      return { right: (event.clientX - box.left) / box.width, down: (event.clientY - box.top) / box.height };
    }

    /** The same on the scene, in its pixels. */
    position(event) {
      const { right, down } = this.onStage(event);
      return this.view.at(right, down);
    }

    /** Zoom by a factor with one place kept where it is; by 0 back to the whole scene. */
    zoomBy(factor, kept) {
      if (factor) this.view.zoomBy(factor, kept);
      else this.view.reset();
      const { zoom } = this.view;
      this.zoomText.textContent = `${number(zoom, zoom > 1 && zoom < 9.95 ? 1 : 0)}×`;
      this.canvas.classList.toggle("zoomed", zoom > 1);
      this.draw();
    }

    cursorCentre() { return this.cursor ? { x: this.cursor.column + 0.5, y: this.cursor.row + 0.5 } : this.view.centre; }

    pointAt(event) {
      const { x, y } = this.position(event);
      this.setCursor(Math.floor(y), Math.floor(x));
    }

    moveCursor(down, right) {
      const { x, y } = this.cursorCentre();
      this.setCursor(Math.floor(y) + down, Math.floor(x) + right);
      this.view.follow(this.cursorCentre());
    }

    setCursor(row, column) {
      const { rows, columns } = this.scene;
      this.cursor = { row: Math.min(rows - 1, Math.max(0, row)), column: Math.min(columns - 1, Math.max(0, column)) };
      this.showValues();
      this.draw();
    }

    showValues() {
      const { scene, cursor, left, right } = this;
      const at = (of) => (cursor ? this.values[of][cursor.row * scene.columns + cursor.column] ?? NaN : undefined);
      const shown = (value, signed) =>
        value === undefined ? "–" : Number.isNaN(value) ? NO_VALUE : `${number(value, scene.decimals, signed)} K`;
      const items = [
        ["left", scene.label(left), shown(at("left"))], ["right", scene.label(right), shown(at("right"))],
        ["difference", "right − left", shown(at("difference"), true)], ["aster", "ASTER", shown(at("aster"))],
      ];
      this.readout.replaceChildren(...items.map(([of, name, text]) =>
        element("div", { "data-of": of }, element("dt", {}, name), element("dd", {}, text))));
      const km = (pixels) => number(((pixels + 0.5) * scene.pixelM) / 1000, 1);
      this.place.textContent = cursor
        ? `Row ${cursor.row + 1}, column ${cursor.column + 1}: ${km(cursor.column)} km east and ${km(cursor.row)} km south of the north-west corner`
        : "Point at the map to read its values.";
      clearTimeout(this.announcement);
      if (!cursor) return;
      const sentence = `Row ${cursor.row + 1}, column ${cursor.column + 1}. ${items.map(([, name, text]) => `${name} ${text}`).join(", ")}.`;
      this.announcement = setTimeout(() => (this.live.textContent = sentence), ANNOUNCE_AFTER_MS);
    }

    showScale() {
      const [low, high] = this.limits;
      const colours = window.lstsrSceneData.colours(this.colours, 33).map((rgb) => `rgb(${rgb})`);
      const meaning = this.difference ? "Difference, right − left" : "Land surface temperature";
      this.bar.style.background = `linear-gradient(to right, ${colours})`;
      this.bar.setAttribute("aria-label", `${meaning}: colours from ${number(low, 1)} to ${number(high, 1)} kelvin`);
      const marks = ticks(low, high).map(({ value, text }) => {
        const mark = element("span", {}, text);
        mark.style.setProperty("--place", `${(100 * (value - low)) / (high - low)}%`);
        return mark;
      });
      this.barTicks.replaceChildren(...marks, element("em", {}, `${meaning} (K)`));
    }

    draw() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.paint());
    }

    paint() {
      const { canvas, pictures } = this;
      const ratio = window.devicePixelRatio || 1;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      if (!width || !pictures.left) return;
      if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
      if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
      const context = canvas.getContext("2d");
      const { view } = this;
      const scale = { x: canvas.width / view.width, y: canvas.height / view.height };
      const put = (picture, shownWidth) => {
        context.save();
        context.beginPath();
        context.rect(0, 0, shownWidth, canvas.height);
        context.clip();
        context.imageSmoothingEnabled = false;
        context.setTransform(scale.x, 0, 0, scale.y, -view.left * scale.x, -view.top * scale.y);
        context.drawImage(picture, 0, 0);
        context.restore();
      };
      put(pictures.right ?? pictures.left, canvas.width);
      if (pictures.right) put(pictures.left, Math.round(this.fraction * canvas.width));
      if (!this.cursor) return;
      const side = Math.max(scale.x, 9 * ratio);
      const { x, y } = this.cursorCentre();
      for (const [colour, line] of [["#000", 4], ["#fff", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = line * ratio * 0.75;
        context.strokeRect((x - view.left) * scale.x - side / 2, (y - view.top) * scale.y - side / 2, side, side);
      }
    }
  }

  async function start(host) {
    const status = element("p", { class: "viewer-status", role: "status" }, "Loading the interactive viewer …");
    host.prepend(status);
    try {
      const viewer = new Viewer(host, await window.lstsrSceneData.load(host.dataset.scene, host.dataset.script));
      await viewer.show(viewer.left, viewer.right);
      status.replaceWith(viewer.root);
      host.classList.add("ready");
    } catch (error) {
      status.textContent = `${error.message} The static figure stays.`;
    }
  }

  window.lstsrPage.each(".lstsr-viewer", (host) => {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      start(host);
    }, { rootMargin: "600px" });
    watcher.observe(host);
  });
})();
