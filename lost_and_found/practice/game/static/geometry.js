// Web Mercator: the world is a square of side 1, x to the east and y to the south.

const STEEPEST = 85.05;
// Browsers draw lines badly between points that are closer than about 1/4096, so paths are this much larger.
export const PATH_SCALE = 4096;

export function project(lat, lon) {
  const clamped = Math.max(-STEEPEST, Math.min(STEEPEST, lat)) * Math.PI / 180;
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log(Math.tan(Math.PI / 4 + clamped / 2)) / (2 * Math.PI) };
}

export function unproject({ x, y }) {
  const lat = (2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * 180 / Math.PI;
  return [lat, (x - Math.floor(x)) * 360 - 180];
}

/** Points along a great circle; their x runs on past the map's edge rather than jump to the other edge. */
export function greatCircle(from, to) {
  const steps = 64;
  const [a, b] = [unit(from), unit(to)];
  const angle = Math.acos(Math.max(-1, Math.min(1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])));
  const points = [];
  for (let step = 0; step <= steps; step++) {
    const share = step / steps;
    const [p, q] = Math.sin(angle) < 1e-6
      ? [1 - share, share]
      : [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
    const [x, y, z] = a.map((value, axis) => p * value + q * b[axis]);
    const point = project(Math.atan2(z, Math.hypot(x, y)) * 180 / Math.PI, Math.atan2(y, x) * 180 / Math.PI);
    const before = points.at(-1);
    if (before) point.x += Math.round(before.x - point.x);
    points.push(point);
  }
  return points;
}

function unit([lat, lon]) {
  const [phi, lambda] = [lat * Math.PI / 180, lon * Math.PI / 180];
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

/** Countries as the map needs them: projected rings, a path, a box, and where the name goes; large ones first. */
export function prepare(countries) {
  return countries.map(({ code, name, polygons }) => {
    const rings = polygons.map((ring) => ring.map(([lon, lat]) => project(lat, lon)));
    const path = new Path2D();
    for (const ring of rings) {
      path.moveTo(ring[0].x * PATH_SCALE, ring[0].y * PATH_SCALE);
      for (const { x, y } of ring) path.lineTo(x * PATH_SCALE, y * PATH_SCALE);
      path.closePath();
    }
    const main = rings.reduce((largest, ring) => (area(ring) > area(largest) ? ring : largest));
    const [whole, mainBox] = [box(rings.flat()), box(main)];
    return { code, name, rings, path, box: whole, mainBox, label: middle(main), size: area(main) };
  }).sort((a, b) => b.size - a.size);
}

/** The country at a point, or null; `reach` is how far off a coast or a small island still counts. */
export function countryAt(prepared, point, reach) {
  const within = ({ left, right, top, bottom }, margin) =>
    point.x > left - margin && point.x < right + margin && point.y > top - margin && point.y < bottom + margin;
  // A country inside another is smaller, hence later.
  const hit = prepared.findLast(({ box: around, rings }) =>
    within(around, 0) && rings.some((ring) => contains(ring, point)));
  if (hit) return hit;
  let [nearest, distance] = [null, reach];
  for (const country of prepared.filter((other) => within(other.box, reach))) {
    for (const { x, y } of country.rings.flat()) {
      const away = Math.hypot(x - point.x, y - point.y);
      if (away < distance) [nearest, distance] = [country, away];
    }
  }
  return nearest;
}

function contains(ring, { x, y }) {
  let inside = false;
  ring.forEach((a, index) => {
    const b = ring.at(index - 1);
    if (a.y > y !== b.y > y && x < (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  });
  return inside;
}

export function box(points) {
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

function area(ring) {
  let twice = 0;
  ring.forEach(({ x, y }, index) => {
    const next = ring[(index + 1) % ring.length];
    twice += x * next.y - next.x * y;
  });
  return Math.abs(twice) / 2;
}

function middle(ring) {
  let [x, y, twice] = [0, 0, 0];
  ring.forEach((point, index) => {
    const next = ring[(index + 1) % ring.length];
    const cross = point.x * next.y - next.x * point.y;
    x += (point.x + next.x) * cross;
    y += (point.y + next.y) * cross;
    twice += cross;
  });
  return twice ? { x: x / (3 * twice), y: y / (3 * twice) } : ring[0];
}

/** A country's outline as a picture's address, for lists. Far islands are left out. */
export function silhouette(country, colour) {
  const { left, right, top, bottom } = country.mainBox;
  const scale = 36 / Math.max(right - left, bottom - top);
  const beyond = 6 / scale;
  const near = country.rings.filter((ring) => {
    const b = box(ring);
    return b.left < right + beyond && b.right > left - beyond && b.top < bottom + beyond && b.bottom > top - beyond;
  });
  const [dx, dy] = [(40 - (right - left) * scale) / 2, (40 - (bottom - top) * scale) / 2];
  const outline = near.map((ring) => {
    const pixels = ring.map(({ x, y }) => [(x - left) * scale + dx, (y - top) * scale + dy]);
    const points = pixels.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
    return `M${points.filter((point, index) => point !== points[index - 1]).join("L")}Z`;
  }).join("");
  const shape = `<path fill="${colour}" d="${outline}"/>`;
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">${shape}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}
