// The globe on the first page: the countries on a ball that turns.

import { motion } from "./dom.js";
import { unproject } from "./geometry.js";

const TURN_S = 60;
const FRAME_MS = 50;
const TILT = 0.35;
const LONG = 1 / 360; // a degree, as a share of the map's side

/** Draw and turn until the page is left; without motion it is drawn once. */
export function spinGlobe(canvas, countries, signal) {
  // Every third point is plenty at this size, except for the corners of long straight borders, which would gape.
  const rings = countries.flatMap((country) => country.rings).filter((ring) => ring.length > 12)
    .map((ring) => ring.filter((point, index) => index % 3 === 0 || isCorner(ring, index)))
    .map((ring) => ring.map((point) => unproject(point).map((degrees) => degrees * Math.PI / 180)));
  let last = -Infinity;
  const frame = (now) => {
    if (signal.aborted) return;
    if (now - last > FRAME_MS && canvas.clientWidth) {
      last = now;
      draw(canvas, rings, now / 1000 / TURN_S * 2 * Math.PI * Math.sign(motion));
    }
    if (motion || last < 0) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function isCorner(ring, index) {
  const [before, point, after] = [ring.at(index - 1), ring[index], ring[(index + 1) % ring.length]];
  return [before, after].some((one) => Math.hypot(one.x - point.x, one.y - point.y) > LONG);
}

function draw(canvas, rings, turn) {
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const radius = side * 0.495;
  context.clearRect(0, 0, side, side);
  const light = context.createRadialGradient(side * 0.36, side * 0.3, 0, side / 2, side / 2, radius);
  light.addColorStop(0, "#2c6aa0");
  light.addColorStop(1, "#0d2440");
  context.fillStyle = light;
  context.beginPath();
  context.arc(side / 2, side / 2, radius, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = "#8fb08a";
  context.beginPath();
  for (const ring of rings) {
    const seen = ring.map(([lat, lon]) => turned(lat, lon + turn));
    if (!seen.some(([, , depth]) => depth > 0)) continue;
    seen.forEach(([x, y, depth], index) => {
      // What is behind is pushed to the rim, so that outlines stay closed.
      const length = depth > 0 ? 1 : Math.hypot(x, y) || 1;
      context[index ? "lineTo" : "moveTo"](side / 2 + x / length * radius, side / 2 - y / length * radius);
    });
    context.closePath();
  }
  context.fill();
}

function turned(lat, lon) {
  const [x, y, z] = [Math.cos(lat) * Math.sin(lon), Math.sin(lat), Math.cos(lat) * Math.cos(lon)];
  return [x, y * Math.cos(TILT) - z * Math.sin(TILT), y * Math.sin(TILT) + z * Math.cos(TILT)];
}
