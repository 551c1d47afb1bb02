"use strict";
// Scenes of the atlas: loading a scene's script, decoding its products, and colours for them.
// A scene's script sets window.lstsrScenes[scene]; each product is base64 of raw deflate of little-endian uint16,
// row by row from the north, each row as differences from the left neighbour. 0 is no value.

window.lstsrSceneData = (() => {
  const requests = new Map();

  // A script element works from file:// too, where fetch does not.
  function load(scene, url) {
    if (!requests.has(scene)) requests.set(scene, request(scene, url).then((raw) => new Scene(raw)));
    return requests.get(scene);
  }

  function request(scene, url) {
    if (typeof DecompressionStream === "undefined") {
      return Promise.reject(new Error("This browser cannot unpack the data (it lacks DecompressionStream)."));
    }
    const present = () => window.lstsrScenes?.[scene];
    if (present()) return Promise.resolve(present());
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.addEventListener("load", () =>
        present() ? resolve(present()) : reject(new Error(`The data file holds no scene ${scene}.`)));
      script.addEventListener("error", () => reject(new Error("The data file of this scene could not be loaded.")));
      document.head.append(script);
    });
  }

  /** The bytes, or none where they cannot be unpacked. */
  async function inflate(base64) {
    try {
      const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
      return await new Response(stream).arrayBuffer();
    } catch {
      return new ArrayBuffer(0);
    }
  }

  class Scene {
    constructor(raw) {
      Object.assign(this, { rows: raw.rows, columns: raw.columns, pixelM: raw.pixel_m, limits: raw.limits_k });
      this.stepK = raw.step_k;
      this.baseK = raw.base_k;
      this.decimals = Math.max(0, Math.ceil(-Math.log10(raw.step_k) - 1e-9));
      this.products = raw.products.map(({ name, label }) => ({ name, label }));
      this.packed = new Map(raw.products.map(({ name, data }) => [name, data]));
      this.decoded = new Map();
    }

    has(name) { return this.packed.has(name); }

    label(name) { return this.products.find((product) => product.name === name)?.label ?? name; }

    /** LST in kelvin as Float64Array of rows × columns, NaN where there is no value. */
    values(name) {
      if (!this.decoded.has(name)) this.decoded.set(name, this.decode(this.packed.get(name)));
      return this.decoded.get(name);
    }

    async decode(base64) {
      const bytes = await inflate(base64);
      const { rows, columns } = this;
      if (bytes.byteLength !== 2 * rows * columns) throw new Error("The data file of this scene is damaged.");
      const view = new DataView(bytes);
      const kelvin = new Float64Array(rows * columns);
      for (let row = 0, index = 0; row < rows; row += 1) {
        let code = 0;
        for (let column = 0; column < columns; column += 1, index += 1) {
          code = (code + view.getUint16(2 * index, true)) & 0xffff;
          kelvin[index] = code === 0 ? NaN : this.baseK + this.stepK * (code - 1);
        }
      }
      return kelvin;
    }
  }

  // Stops evenly spaced over matplotlib's maps, between which colours are interpolated; made in Python by
  // "".join(to_hex(colormaps[name](position))[1:] for position in numpy.linspace(0, 1, count)),
  // inferno with 64 stops, RdBu_r with 33.
  const STOPS = {
    inferno:
      "00000402010a04031207051b0b072410092d150b371b0c41210c4a280b532f0a5b3609613d0965440a684a0c6b510e6c59106e5f136e65156e6c186e" +
      "721a6e781c6d7f1e6c85216b8c23699225689827669f2a63a52c60ab2f5eb1325ab73557bf3952c43c4eca404acf4446d44842d94d3dde5238e25734" +
      "e65d2fea632aed6925f06f20f3761bf57d15f78410f98b0bfa9407fb9b06fca309fcaa0ffcb216fbba1ffac228f9c932f7d13df5d949f4e156f2e865" +
      "f1ef75f3f586f6fa96fcffa4",
    RdBu_r:
      "0530610e41791752901f63a82a71b23480b93f8ec0529dc86bacd184bcd99bc9e0aed3e6c2ddecd4e6f1e0ecf3ecf2f5f7f6f6f9eee7fbe5d8fddcc9" +
      "fbccb4f8bb9ef5aa89ee9677e48066db6b55d05548c53e3dba2832ab162a930e267c072267001f",
  };

  /** Colours [r, g, b] at `count` even positions of a colour map. */
  function colours(name, count = 256) {
    const stops = STOPS[name].match(/../g).map((pair) => parseInt(pair, 16));
    const last = stops.length / 3 - 1;
    return Array.from({ length: count }, (_, index) => {
      const position = (index / (count - 1)) * last;
      const left = Math.min(Math.floor(position), last - 1);
      const mix = (channel) => stops[3 * left + channel] * (left + 1 - position) + stops[3 * left + 3 + channel] * (position - left);
      return [0, 1, 2].map((channel) => Math.round(mix(channel)));
    });
  }

  /** A canvas with one pixel per value; values without number are hatched in grey. */
  function picture(values, rows, columns, [low, high], name) {
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    const image = new ImageData(columns, rows);
    const table = colours(name);
    const hatch = [[150, 150, 150], [120, 120, 120]];
    values.forEach((value, index) => {
      const row = Math.floor(index / columns);
      const place = Math.min(1, Math.max(0, (value - low) / (high - low)));
      const colour = Number.isNaN(value) ? hatch[((row + (index % columns)) >> 1) & 1] : table[Math.round(place * 255)];
      image.data.set([...colour, 255], 4 * index);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /** Limits −a … a that hold 98 % of the differences, a in half kelvins. */
  function symmetricLimits(differences) {
    const sizes = differences.filter((value) => !Number.isNaN(value)).map(Math.abs).sort();
    const most = sizes[Math.floor(0.98 * (sizes.length - 1))] ?? 0;
    return [-1, 1].map((sign) => sign * Math.max(0.5, Math.ceil(most * 2) / 2));
  }

  return { load, colours, picture, symmetricLimits };
})();
