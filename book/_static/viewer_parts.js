"use strict";
// The elements that a viewer consists of, by name; viewer.js brings them to life.

window.lstsrViewerParts = (() => {
  const { element, select } = window.lstsrPage;
  const HELP =
    "Drag the divider, or focus it and use the arrow keys. On the map: arrow keys move the crosshair (with Shift by 10 pixels), " +
    "+ and − zoom, 0 resets; two fingers zoom, too, and so does the wheel once the map has focus or with Ctrl; drag to pan.";
  let viewers = 0;

  const button = (text, label = false) => element("button", { type: "button", "aria-label": label }, text);

  return (id, scene, left, right) => {
    const choices = scene.products.map(({ name, label }) => [name, label]);
    const help = `lstsr-viewer-help-${(viewers += 1)}`;
    const [leftSelect, leftLabel] = select("Left", choices, left);
    const [rightSelect, rightLabel] = select("Right", choices, right);
    const parts = {
      leftSelect,
      rightSelect,
      swap: button("⇄", "Swap left and right"),
      check: element("input", { type: "checkbox" }),
      zoomOut: button("−", "Zoom out"),
      zoomText: element("span", { class: "viewer-zoom-text" }, "1×"),
      zoomIn: button("+", "Zoom in"),
      reset: button("Reset"),
      canvas: element("canvas", {
        tabindex: 0, role: "application", "aria-describedby": help,
        "aria-label": `Map of scene ${id}; arrow keys move a crosshair`,
      }),
      leftTag: element("span", { class: "viewer-tag", "aria-hidden": "true" }),
      rightTag: element("span", { class: "viewer-tag viewer-tag-right", "aria-hidden": "true" }),
      divider: element("div", {
        class: "viewer-divider", role: "slider", tabindex: 0, "aria-label": "Divider between left and right",
        "aria-valuemin": 0, "aria-valuemax": 100,
      }, element("span", { class: "viewer-handle", "aria-hidden": "true" }, "◂ ▸")),
      bar: element("div", { class: "viewer-bar", role: "img" }),
      barTicks: element("div", { class: "viewer-ticks", "aria-hidden": "true" }),
      place: element("p", { class: "viewer-place" }),
      readout: element("dl", { class: "viewer-readout" }),
      live: element("p", { class: "viewer-live", "aria-live": "polite" }),
    };
    parts.stage = element("div", { class: "viewer-stage" }, parts.canvas, parts.leftTag, parts.rightTag, parts.divider);
    parts.root = element("div", { class: "viewer", role: "group", "aria-label": `Compare two products of scene ${id}` },
      element("div", { class: "viewer-controls" },
        element("span", { class: "viewer-choice" }, leftLabel, parts.swap, rightLabel),
        element("label", { class: "viewer-check" }, parts.check, "Difference, right − left"),
        element("span", { class: "viewer-zoom", role: "group", "aria-label": "Zoom" },
          parts.zoomOut, parts.zoomText, parts.zoomIn, parts.reset)),
      parts.stage,
      element("div", { class: "viewer-scale" }, parts.bar, parts.barTicks),
      parts.place, parts.readout, parts.live,
      element("p", { class: "viewer-help", id: help }, HELP));
    parts.root.style.setProperty("--ratio", scene.columns / scene.rows);
    return parts;
  };
})();
