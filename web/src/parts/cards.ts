/** A list of cards of which one is the present one: it has the focus, or had it last. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** `ids` of the cards, in their order. When the present card goes away, the focus goes to the one in its place. */
export function useCards(ids: (number | string)[]) {
  const [present, setPresent] = useState<number | string | null>(null);
  const place = useRef(0);
  const list = useRef<HTMLElement>(null);
  const moves = useRef(false);
  const at = present === null ? -1 : ids.indexOf(present);
  if (at >= 0) place.current = at;
  const focus = (to: number) => {
    const id = ids[Math.max(0, Math.min(to, ids.length - 1))];
    if (id === undefined) return;
    setPresent(id);
    list.current?.querySelector<HTMLElement>(`[data-card="${CSS.escape(String(id))}"]`)?.focus();
  };
  useLayoutEffect(() => {
    // before the next key, which would have no card
    if (!moves.current || at >= 0) return;
    moves.current = false;
    if (ids.length) focus(place.current);
    else document.getElementById("main")?.focus();
  });
  return {
    list,
    present: at >= 0 ? present : (ids[Math.min(place.current, ids.length - 1)] ?? null),
    choose: setPresent,
    /** Focus the card that is so many further; the present one if none has the focus. */
    step: (by: number) => {
      const isWithin = list.current?.contains(document.activeElement) ?? false;
      focus(isWithin && at >= 0 ? at + by : place.current);
    },
    focusPresent: () => focus(place.current),
    /** Let the focus go on when the present card is gone. */
    goOn: () => {
      moves.current = true;
    },
  };
}
