// The street view: a canvas of the scene's own size, stretched over the window. In a window of that size its pixels
// are the scene's.

import { Refusal } from "./api.js";
import { config } from "./dom.js";

const SIZE = [1280, 720];
const TILE = [320, 360];

export class Viewer {
  constructor(label) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = config.viewer;
    [this.canvas.width, this.canvas.height] = SIZE;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.scene = null;
    this.listen();
  }

  // In a narrow window part of the picture's width is cut off, in a low one of its height; a drag brings it into view.
  listen() {
    const part = [50, 50];
    let from = [0, 0];
    this.canvas.addEventListener("pointerdown", ({ clientX, clientY, pointerId }) => {
      from = [clientX, clientY];
      this.canvas.setPointerCapture(pointerId);
    });
    this.canvas.addEventListener("pointermove", ({ buttons, clientX, clientY }) => {
      if (!buttons) return;
      const { clientWidth, clientHeight, style } = this.canvas;
      const shown = [clientWidth, clientHeight];
      const scale = Math.max(...shown.map((pixels, axis) => pixels / SIZE[axis]));
      [clientX, clientY].forEach((now, axis) => {
        const hidden = scale * SIZE[axis] - shown[axis];
        if (hidden > 0) part[axis] = Math.max(0, Math.min(100, part[axis] + 100 * (from[axis] - now) / hidden));
        from[axis] = now;
      });
      style.objectPosition = part.map((percent) => `${percent}%`).join(" ");
    });
  }

  /** Black, then the blurred preview, then the tiles as they come. Resolves when all is drawn. */
  async show(scene, signal) {
    if (scene === this.scene) return;
    this.scene = scene;
    this.context.fillRect(0, 0, ...SIZE);
    const current = () => this.scene === scene && !signal.aborted;
    const preview = load(`${scene}/0.jpg`, current).then((image) => {
      if (!current()) return;
      this.context.imageSmoothingEnabled = true;
      this.context.imageSmoothingQuality = "high";
      this.context.drawImage(image, 0, 0, ...SIZE);
    }, () => {});
    const tiles = [];
    for (let y = 0; y < SIZE[1] / TILE[1]; y++) {
      for (let x = 0; x < SIZE[0] / TILE[0]; x++) {
        // After the preview, which would cover it.
        tiles.push(Promise.all([load(`${scene}/${x}-${y}.png`, current), preview]).then(([image]) => {
          if (!current()) return;
          this.context.imageSmoothingEnabled = false;
          this.context.drawImage(image, x * TILE[0], y * TILE[1]);
        }));
      }
    }
    await Promise.all(tiles);
  }
}

// A tile that doesn't come is requested again: a hole in the picture would be worse than a wait.
async function load(url, current, tries = 3) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    if (!current()) return image;
    if (tries === 1) throw new Refusal(0, `no picture at ${url}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return load(url, current, tries - 1);
  }
}

/** Use memory until none is left, so that the browser ends this page. */
export function exhaustMemory() {
  const hoard = [];
  for (;;) {
    const text = "lost and found ".repeat(1 << 25) + hoard.length;
    text.charCodeAt(hoard.length); // makes V8 write the text out instead of only noting its parts
    hoard.push(text);
  }
}
