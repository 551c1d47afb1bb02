"use strict";
// What the book's interactive parts share. Pages stay complete without them.

window.lstsrPage = {
  /** A new element with attributes (false leaves one out) and children. */
  element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  },

  /** A select with its label; choices are [value, text]. */
  select(label, choices, chosen) {
    const { element } = window.lstsrPage;
    const options = choices.map(([value, text]) => element("option", { value }, text));
    const control = element("select", {}, ...options);
    control.value = chosen;
    return [control, element("label", {}, element("span", {}, label), control)];
  },

  /** Run a function once for each element of the page that matches. */
  each(selector, enhance) {
    const run = () => document.querySelectorAll(selector).forEach(enhance);
    if (document.readyState === "complete") run();
    else document.addEventListener("DOMContentLoaded", run);
  },

  /** Round numbers from low to high, about `count` of them. */
  ticks(low, high, count = 5) {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const first = Math.ceil(low / step - 1e-9);
    const number = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
    return Array.from({ length: number }, (_, index) => {
      const value = (first + index) * step;
      return { value, text: window.lstsrPage.number(value, decimals) };
    });
  },

  /** Rounded, with a true minus sign; `signed` shows a plus too. */
  number(value, decimals, signed = false) {
    const rounded = Number(value.toFixed(decimals)) + 0; // no −0
    const text = Math.abs(rounded).toFixed(decimals);
    return (rounded < 0 ? "−" : signed && rounded > 0 ? "+" : "") + text;
  },
};
