/** The grid of subjects: only the rows on the screen are in the document, so that ten thousand scroll smoothly. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Subject } from "../api";
import { incoming } from "../imports";
import { go, href } from "../route";
import { api, gallery, mayEnroll } from "../state";
import { list, listError, order, ORDERS, search, subjects, total, type Order } from "../subjects";
import { Name, t } from "../words";
import { DropHint, useDrop } from "./drop";
import { EmptyGallery } from "./empty_gallery";
import { EnrollDialog } from "./enroll_dialog";
import type { Found } from "./files";
import { ProblemText } from "./notices";
import { Picture } from "./picture";

const WIDEST = 176; // pixels of a tile, about
const GAP = 14;
const CAPTION = 78; // pixels below the picture: a name of two lines, and the number of pictures
const MORE = 3; // rows above and below the screen
const FEWEST = 3; // columns of a phone

export function SubjectsGrid() {
  const dropped = useSignal<{ found: Found[]; name: string } | null>(null);
  const revision = gallery.value?.revision;
  useEffect(() => void list(), [search.value, order.value, revision]);
  const isOver = useDrop((found, target) => {
    if (!mayEnroll.value) return;
    if (found.some((one) => one.path.includes("/"))) {
      incoming.value = found;
      go("start");
    } else {
      dropped.value = { found, name: target?.closest<HTMLElement>("[data-subject]")?.dataset.subject ?? "" };
    }
  });
  const isEmpty = gallery.value?.subjects === 0;
  return (
    <>
      <div class="title">
        <h1>{t("nav.gallery")}</h1>
        <p class="hint" role="status" aria-live="polite">
          {!isEmpty && subjects.value && t("gallery.count", { n: total.value })}
        </p>
      </div>
      {isEmpty ? (
        <EmptyGallery words="gallery.empty" />
      ) : (
        <>
          <SearchBar />
          {listError.value !== null && <ProblemText error={listError.value} onRetry={() => void list()} />}
          {subjects.value === null && listError.value === null && (
            <p class="loading" role="status">
              <span class="spinner" aria-hidden="true" />
              {t("loading")}
            </p>
          )}
          {subjects.value?.length === 0 && <p>{t("gallery.none", { text: search.value })}</p>}
          {subjects.value && subjects.value.length > 0 && <Rows all={subjects.value} count={total.value} />}
        </>
      )}
      {mayEnroll.value && <DropHint isOver={isOver} />}
      {dropped.value && <EnrollDialog {...dropped.value} onClose={() => (dropped.value = null)} />}
    </>
  );
}

function SearchBar() {
  const [text, setText] = useState(search.value);
  useEffect(() => {
    const timer = setTimeout(() => (search.value = text), 150);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <form class="search" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        dir="auto"
        aria-label={t("gallery.search")}
        placeholder={t("gallery.search")}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <select aria-label={t("gallery.order")} value={order.value} onChange={(event) => (order.value = event.currentTarget.value as Order)}>
        {ORDERS.map((one) => (
          <option key={one} value={one}>
            {t(`order.${one}`)}
          </option>
        ))}
      </select>
    </form>
  );
}

/** How many columns and rows there are, and which rows are on the screen. */
function useLayout(count: number) {
  const box = useRef<HTMLUListElement>(null);
  const [width, setWidth] = useState(0);
  const [span, setSpan] = useState<[number, number]>([0, 0]);
  const columns = Math.max(FEWEST, Math.floor((width + GAP) / (WIDEST + GAP)));
  const side = width ? (width - GAP * (columns - 1)) / columns : WIDEST;
  const step = side + CAPTION + GAP;
  const rows = Math.ceil(count / columns);
  const place = () => {
    if (!box.current) return;
    const top = -box.current.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / step) - MORE);
    const last = Math.min(rows, Math.ceil((top + innerHeight) / step) + MORE);
    setSpan((before) => (before[0] === first && before[1] === last ? before : [first, last]));
  };
  useLayoutEffect(() => {
    const measure = () => setWidth(box.current?.clientWidth ?? 0);
    measure();
    const observer = new ResizeObserver(measure);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    place();
    addEventListener("scroll", place, { passive: true });
    addEventListener("resize", place);
    return () => {
      removeEventListener("scroll", place);
      removeEventListener("resize", place);
    };
  });
  return { box, columns, side, step, rows, first: span[0], last: Math.min(span[1], rows), isMeasured: width > 0 };
}

/** `count` subjects, of which the first ones are there already: the others get their places. */
function Rows({ all, count }: { all: Subject[]; count: number }) {
  const { box, columns, side, step, rows, first, last, isMeasured } = useLayout(count);
  const wanted = useRef(-1); // the tile that gets the focus when it is in the document
  const focus = () => {
    const tile = box.current?.querySelector<HTMLElement>(`[data-place="${wanted.current}"] a`);
    if (!tile) return;
    wanted.current = -1;
    tile.focus();
  };
  useLayoutEffect(focus);
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const by = steps[event.key];
    const present = (event.target as Element).closest<HTMLElement>("[data-place]")?.dataset.place;
    if (by === undefined || present === undefined) return;
    event.preventDefault();
    const next = Number(present) + by;
    if (next < 0 || next >= count) return;
    wanted.current = next;
    const top = (box.current as HTMLElement).offsetTop + Math.floor(next / columns) * step;
    if (top < scrollY + 80) scrollTo(0, top - 80);
    else if (top + step > scrollY + innerHeight - 80) scrollTo(0, top + step - innerHeight + 80);
    focus();
  };
  const shown = isMeasured ? all.slice(first * columns, last * columns) : [];
  return (
    <ul
      ref={box}
      class="tiles"
      aria-label={t("nav.gallery")}
      onKeyDown={onKeyDown}
      style={{ height: `${Math.max(0, rows * step - GAP)}px` }}
    >
      {shown.map((one, number) => {
        const place = first * columns + number;
        const [left, top] = [(place % columns) * (side + GAP), Math.floor(place / columns) * step];
        return <Tile key={one.name} one={one} place={place} count={count} side={side} left={left} top={top} />;
      })}
    </ul>
  );
}

interface TileProperties {
  one: Subject;
  place: number;
  count: number;
  side: number;
  left: number;
  top: number;
}

/** A subject of the grid: it reads signals, so that it is drawn again only if one of them or of its properties changes. */
function Tile({ one, place, count, side, left, top }: TileProperties) {
  return (
    <li
      class="tile"
      data-place={place}
      data-subject={one.name}
      aria-setsize={count}
      aria-posinset={place + 1}
      style={{ width: `${side}px`, height: `${side + CAPTION}px`, transform: `translate(${left}px, ${top}px)` }}
    >
      <a href={href("gallery", one.name)}>
        <Picture of={api.value.subjectThumbnail(one.name, one.examples)} alt="" />
        <Name of={one.name} />
        <span class="hint">{t("gallery.examples", { n: one.examples })}</span>
      </a>
    </li>
  );
}
