/** A box on a picture: drawn, moved and resized by mouse, touch or keyboard. Coordinates are pixels of the picture. */

import { useRef, useState } from "preact/hooks";
import type { Box } from "../api";
import { T, t } from "../words";
import { Dialog } from "./dialog";

interface Properties {
  source: string;
  name: string;
  box: Box | null;
  onChoose: (box: Box | null) => void;
  onClose: () => void;
}

type Side = -1 | 0 | 1; // which edges move: left or top, none, right or bottom
interface Drag {
  from: Box;
  x: number;
  y: number;
  sides: [Side, Side];
}
const CORNERS: [Side, Side][] = [
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
];
const TALLEST = "58dvh"; // of the picture on the screen
const SMALLEST = 8; // pixels of a side
const STEPS = 50; // of a key, over the longer side

export function Crop({ source, name, box, onChoose, onClose }: Properties) {
  const image = useRef<HTMLImageElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<[number, number] | null>(null);
  const [present, setPresent] = useState<Box | null>(box);
  const drag = useRef<Drag | null>(null);

  const onLoad = () => {
    const { naturalWidth: width, naturalHeight: height } = image.current as HTMLImageElement;
    setSize([width, height]);
    setPresent(present ?? middle(width, height));
  };
  /** The place of a pointer in pixels of the picture. */
  const at = (event: PointerEvent): [number, number] => {
    const frame = (image.current as HTMLImageElement).getBoundingClientRect();
    const [width, height] = size as [number, number];
    return [((event.clientX - frame.left) / frame.width) * width, ((event.clientY - frame.top) / frame.height) * height];
  };
  const start = (event: PointerEvent, sides: [Side, Side] | null) => {
    if (!size || !present || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = at(event);
    stage.current?.setPointerCapture(event.pointerId);
    drag.current = { from: sides ? present : [x, y, x, y], x, y, sides: sides ?? [1, 1] };
  };
  const move = (event: PointerEvent) => {
    if (!drag.current || !size) return;
    const { from, x, y, sides } = drag.current;
    const [toX, toY] = at(event);
    setPresent(changed(from, toX - x, toY - y, sides, size));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!direction || !size || !present) return;
    event.preventDefault();
    const step = Math.max(1, Math.round(Math.max(...size) / STEPS));
    const [x, y] = direction as [number, number];
    setPresent(changed(present, x * step, y * step, event.shiftKey ? [1, 1] : [0, 0], size));
  };
  return (
    <Dialog title={t("crop.title")} onClose={onClose} wide>
      <p class="hint" id="crop-hint">
        {t("crop.hint")}
      </p>
      <div
        ref={stage}
        class="crop"
        style={size ? { width: `min(100%, calc(${TALLEST} * ${size[0] / size[1]}))` } : {}}
        onPointerDown={(event) => start(event, null)}
        onPointerMove={move}
        onPointerUp={() => (drag.current = null)}
        onPointerCancel={() => (drag.current = null)}
      >
        <img ref={image} src={source} alt={name} onLoad={onLoad} draggable={false} />
        {size && present && (
          <div
            class="crop-box"
            role="group"
            tabIndex={0}
            aria-label={t("crop.box")}
            aria-describedby="crop-hint crop-numbers"
            onKeyDown={onKeyDown}
            onPointerDown={(event) => start(event, [0, 0])}
            style={placed(present, size)}
          >
            {CORNERS.map((sides) => (
              <span
                key={sides.join()}
                class={`corner x${sides[0]} y${sides[1]}`}
                onPointerDown={(event) => start(event, sides)}
              />
            ))}
          </div>
        )}
      </div>
      <p id="crop-numbers" class="hint" aria-live="polite">
        {size && present && (
          <T words="crop.numbers" width={present[2] - present[0]} height={present[3] - present[1]} x={present[0]} y={present[1]} />
        )}
      </p>
      <div class="actions end">
        <button type="button" onClick={() => onChoose(null)}>
          {t("crop.whole")}
        </button>
        <button type="button" class="primary" disabled={!present} onClick={() => onChoose(present)}>
          {t("crop.use")}
        </button>
      </div>
    </Dialog>
  );
}

function middle(width: number, height: number): Box {
  return [width * 0.15, height * 0.15, width * 0.85, height * 0.85].map(Math.round) as Box;
}

/** A box of which edges were moved, or all of it, kept inside the picture. */
function changed([left, top, right, bottom]: Box, x: number, y: number, [sideX, sideY]: [Side, Side], [width, height]: [number, number]): Box {
  const [l, r] = axis(left, right, x, sideX, width);
  const [u, d] = axis(top, bottom, y, sideY, height);
  return [l, u, r, d];
}

function axis(low: number, high: number, by: number, side: Side, length: number): [number, number] {
  if (side === 0) {
    const moved = Math.round(Math.min(Math.max(by, -low), length - high));
    return [low + moved, high + moved];
  }
  const fixed = side === 1 ? low : high;
  const free = Math.min(Math.max((side === 1 ? high : low) + by, 0), length);
  let [from, to] = [Math.round(Math.min(fixed, free)), Math.round(Math.max(fixed, free))];
  const least = Math.min(SMALLEST, length);
  if (to - from < least) {
    from = Math.min(from, length - least);
    to = from + least;
  }
  return [from, to];
}

function placed([left, top, right, bottom]: Box, [width, height]: [number, number]) {
  return {
    left: `${(100 * left) / width}%`,
    top: `${(100 * top) / height}%`,
    width: `${(100 * (right - left)) / width}%`,
    height: `${(100 * (bottom - top)) / height}%`,
  };
}
