/** A picture of the server. Where a key is needed it is fetched with it, so that no key is in an address. */

import { useEffect, useState } from "preact/hooks";
import { address, hasKey, isReachable, send } from "../api";
import { Icon } from "./icon";

interface Properties {
  of: { path: string; query: Record<string, string | number> };
  alt: string;
  class?: string;
}

const MOST = 400; // pictures that are kept in memory
const kept = new Map<string, string>();

function keep(place: string, content: Blob): string {
  const made = URL.createObjectURL(content);
  kept.set(place, made);
  const oldest = kept.keys().next().value;
  if (kept.size > MOST && oldest !== undefined) {
    URL.revokeObjectURL(kept.get(oldest) ?? "");
    kept.delete(oldest);
  }
  return made;
}

export function Picture({ of, alt, class: kind = "" }: Properties) {
  const place = address(of.path, of.query);
  const [source, setSource] = useState(hasKey() ? (kept.get(place) ?? "") : place);
  const [isMissing, setMissing] = useState(false);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    setMissing(false);
    if (!hasKey()) {
      setSource(place);
      return;
    }
    const known = kept.get(place);
    setSource(known ?? "");
    if (known) return;
    const stop = new AbortController();
    send("GET", of.path, { query: of.query, accept: "image/*", signal: stop.signal })
      .then(async (answer) => setSource(keep(place, await answer.blob())))
      .catch(() => !stop.signal.aborted && setMissing(true));
    return () => stop.abort();
  }, [place, tries]);
  useEffect(() => {
    if (isReachable.value && isMissing) setTries(tries + 1); // it may have failed because the server was away
  }, [isReachable.value]);
  if (isMissing) {
    return (
      <span class={`picture missing ${kind}`} role="img" aria-label={alt}>
        <Icon name="picture" />
      </span>
    );
  }
  return (
    <span class={`picture ${kind}`}>
      {source && <img src={source} alt={alt} loading="lazy" decoding="async" onError={() => setMissing(true)} />}
    </span>
  );
}
