/** What mouse, touch, wheel and keys do to a map: move, zoom, point at, open, and draw a line around points. */

import type { Camera } from "./scatter";

export interface Actions {
  move: (camera: Camera) => void;
  /** Where the pointer is, in pixels of the canvas; null if it has left. */
  point: (place: [number, number] | null) => void;
  open: (place: [number, number], isTouch: boolean) => void;
  /** A line that is being drawn, in pixels; `isDone` when it is finished. */
  surround: (line: [number, number][], isDone: boolean) => void;
}

const LEAST = 0.4; // zoom, relative to the whole map
const MOST = 2000;
const STILL = 5; // pixels that a click may move
const STEP = 60; // pixels of an arrow key

export class Pointing {
  private readonly pointers = new Map<number, [number, number]>();
  private line: [number, number][] | null = null;
  private moved = 0;
  isLasso = false;
  readonly stop: () => void;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly camera: () => Camera,
    private readonly actions: Actions,
  ) {
    const listeners: [string, (event: never) => void][] = [
      ["pointerdown", this.down],
      ["pointermove", this.moveTo],
      ["pointerup", this.up],
      ["pointercancel", this.up],
      ["pointerleave", (event: PointerEvent) => event.pointerType === "mouse" && actions.point(null)],
      ["wheel", this.wheel],
      ["keydown", this.key],
    ];
    for (const [name, listener] of listeners) canvas.addEventListener(name, listener as EventListener, { passive: false });
    this.stop = () => {
      for (const [name, listener] of listeners) canvas.removeEventListener(name, listener as EventListener);
    };
  }

  /** The camera that shows all of the map. */
  whole(): Camera {
    return { x: 0, y: 0, zoom: Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / 2.15 };
  }

  /** Zoom, so that what is at a place (by default the middle) stays there. */
  zoom(factor: number, place: [number, number] = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]): void {
    const before = this.camera();
    const unit = this.whole().zoom;
    const zoom = Math.min(MOST * unit, Math.max(LEAST * unit, before.zoom * factor));
    const [x, y] = this.toPlane(place);
    const share = before.zoom / zoom;
    this.actions.move({ x: x + (before.x - x) * share, y: y + (before.y - y) * share, zoom });
  }

  toPlane([left, top]: [number, number]): [number, number] {
    const { x, y, zoom } = this.camera();
    return [x + (left - this.canvas.clientWidth / 2) / zoom, y - (top - this.canvas.clientHeight / 2) / zoom];
  }

  private place(event: MouseEvent): [number, number] {
    const frame = this.canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  private pan(right: number, down: number): void {
    const camera = this.camera();
    this.actions.move({ ...camera, x: camera.x - right / camera.zoom, y: camera.y + down / camera.zoom });
  }

  private readonly down = (event: PointerEvent) => {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    this.moved = this.pointers.size > 1 ? Infinity : 0;
    const isAlone = this.pointers.size === 1;
    this.line = isAlone && (this.isLasso || event.shiftKey) ? [this.place(event)] : null;
  };

  private readonly moveTo = (event: PointerEvent) => {
    const place = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") this.actions.point(place);
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, place);
    this.moved += Math.hypot(place[0] - before[0], place[1] - before[1]);
    if (other) {
      const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const is = Math.hypot(place[0] - other[0], place[1] - other[1]);
      this.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
      if (was > 0) this.zoom(is / was, [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2]);
    } else if (this.line) {
      this.line.push(place);
      this.actions.surround(this.line, false);
    } else if (this.moved > STILL) {
      this.actions.point(null);
      this.pan(place[0] - before[0], place[1] - before[1]);
    }
  };

  private readonly up = (event: PointerEvent) => {
    const isKnown = this.pointers.delete(event.pointerId);
    if (!isKnown || event.type === "pointercancel") {
      this.line = null;
      this.actions.surround([], false);
      return;
    }
    if (this.line && this.line.length > 2) this.actions.surround(this.line, true);
    else if (this.moved <= STILL) this.actions.open(this.place(event), event.pointerType !== "mouse");
    this.line = null;
  };

  private readonly wheel = (event: WheelEvent) => {
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 * event.deltaY : event.deltaY;
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) / (event.ctrlKey ? 120 : 400)), this.place(event));
  };

  private readonly key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way) this.pan(STEP * (way[0] as number), STEP * (way[1] as number));
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.actions.move(this.whole());
    else return;
    event.preventDefault();
  };
}
