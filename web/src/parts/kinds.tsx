/** Buttons that choose one kind of what a list has, each with its number. */

import { number } from "../words";

interface Properties<Kind extends string> {
  label: string;
  kinds: { kind: Kind; label: string; count: number }[];
  chosen: Kind;
  onChoose: (kind: Kind) => void;
}

export function Kinds<Kind extends string>({ label, kinds, chosen, onChoose }: Properties<Kind>) {
  return (
    <div class="kinds" role="group" aria-label={label}>
      {kinds.map(({ kind, label: text, count }) => (
        <button key={kind} type="button" aria-pressed={kind === chosen} onClick={() => onChoose(kind)}>
          {text}
          <span class="kind-count">{number(count)}</span>
        </button>
      ))}
    </div>
  );
}
