"use strict";
// The part of a map that is on screen, in the map's pixels: zoom, pan, and what keeps it inside the map.

window.lstsrMapView = class MapView {
  static SMALLEST_PIXELS = 12;

  constructor(rows, columns) {
    Object.assign(this, { rows, columns });
    this.reset();
  }

  reset() {
    this.zoom = 1; // the whole map
    this.centre = { x: this.columns / 2, y: this.rows / 2 };
  }

  get width() { return this.columns / this.zoom; }

  get height() { return this.rows / this.zoom; }

  get left() { return this.centre.x - this.width / 2; }

  get top() { return this.centre.y - this.height / 2; }

  moveTo(x, y) {
    const inside = (centre, size, all) => Math.min(all - size / 2, Math.max(size / 2, centre));
    this.centre = { x: inside(x, this.width, this.columns), y: inside(y, this.height, this.rows) };
  }

  moveBy(right, down) { this.moveTo(this.centre.x + right, this.centre.y + down); }

  /** Zoom by a factor; the place `kept` stays where it is on screen. */
  zoomBy(factor, kept = this.centre) {
    const most = Math.max(1, Math.min(this.columns, this.rows) / MapView.SMALLEST_PIXELS);
    const before = this.zoom;
    this.zoom = Math.min(most, Math.max(1, this.zoom * factor));
    const shrunk = before / this.zoom;
    this.moveTo(kept.x + (this.centre.x - kept.x) * shrunk, kept.y + (this.centre.y - kept.y) * shrunk);
  }

  /** Pan just so far that a place and the pixel around it are on screen. */
  follow({ x, y }) {
    const beyond = (place, start, size) => Math.min(0, place - 1 - start) + Math.max(0, place + 1 - start - size);
    this.moveBy(beyond(x, this.left, this.width), beyond(y, this.top, this.height));
  }

  /** The place at a fraction of the screen's width and height. */
  at(right, down) { return { x: this.left + right * this.width, y: this.top + down * this.height }; }
};
