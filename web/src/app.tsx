/** The frame of every view: navigation, gallery, language, theme, banners, notices and the dialog for a key. */

import { useComputed, useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { busyFor, isReachable, keyAsked, untilReachable } from "./api";
import { Icon } from "./parts/icon";
import { KeyDialog } from "./parts/key_dialog";
import { Notices, ProblemText } from "./parts/notices";
import { Settings } from "./parts/settings";
import { href, route } from "./route";
import { galleries, gallery, isMigrated, load, loadError } from "./state";
import { VIEWS, type View, type ViewProps } from "./views";
import { Name, number, t, type Words } from "./words";

const FEW = 5; // views that the bar of a phone has room for

export function App() {
  const view = VIEWS.find((one) => one.id === route.value.view) ?? VIEWS.find((one) => one.id === "identify");
  useEffect(() => void load().then(loadViews), []);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={skip}>
        {t("skip")}
      </a>
      <header class="top">
        <a class="brand" href={href("", "")}>
          <img src="./icon.svg" alt="" width="28" height="28" />
          semelha
        </a>
        <GalleryChoice />
        <Settings />
      </header>
      <Navigation current={view?.id ?? ""} />
      <Notices />
      <main id="main" tabIndex={-1}>
        <Banners />
        {loadError.value ? (
          <ProblemText error={loadError.value} onRetry={() => void load()} />
        ) : galleries.value === null || !gallery.value ? (
          <Loading />
        ) : (
          view && <Shown key={`${view.id} ${gallery.value.name}`} view={view} argument={route.value.argument} />
        )}
      </main>
      {keyAsked.value && <KeyDialog why={keyAsked.value} />}
    </div>
  );
}

/** The address is that of the view: the link must not change it. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Load the other views too, so that they open while the server is away. */
function loadViews(): void {
  setTimeout(() => {
    for (const view of VIEWS) view.load().catch(() => {});
  }, 1500);
}

/** Load a view; once more if that fails, when the server answers: what waits to be sent would be lost by loading the page again. */
async function loadView(view: View): Promise<ComponentType<ViewProps>> {
  const found = await view.load().catch(async () => {
    await untilReachable();
    return view.load();
  });
  return found.default;
}

const loaded = new Map<string, ComponentType<ViewProps>>();

function Shown({ view, argument }: { view: View; argument: string }) {
  const [, setCount] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const Component = loaded.get(view.id);
  const open = () => {
    setError(null);
    loadView(view).then(
      (component) => {
        loaded.set(view.id, component);
        setCount((count) => count + 1);
      },
      (problem: unknown) => setError(problem),
    );
  };
  useEffect(() => {
    if (!Component) open();
  }, []);
  useEffect(() => {
    document.title = `${t(view.label)} · ${gallery.value?.name ?? ""} · semelha`;
  });
  if (error) return <ProblemText error={error} onRetry={() => location.reload()} />;
  return Component ? <Component argument={argument} /> : <Loading />;
}

export function Loading() {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      {t("loading")}
    </p>
  );
}

function Navigation({ current }: { current: string }) {
  const isOpen = useSignal(false);
  const first = VIEWS.length > FEW ? VIEWS.slice(0, FEW - 1) : VIEWS;
  const rest = VIEWS.slice(first.length);
  const isRest = rest.some((view) => view.id === current);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => void (isOpen.value = false), [current]);
  useEffect(() => {
    const close = (event: Event) => {
      if (!(event.target instanceof Node && nav.current?.contains(event.target))) isOpen.value = false;
    };
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, []);
  return (
    <nav ref={nav} class="views" aria-label={t("nav.label")} onKeyDown={(event) => event.key === "Escape" && (isOpen.value = false)}>
      <ul>
        {first.map((view) => (
          <ViewLink key={view.id} view={view} isCurrent={view.id === current} />
        ))}
        {rest.length > 0 && (
          <li class="more">
            <button type="button" class={isRest ? "current" : ""} aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
              <Icon name="more" />
              {t("nav.more")}
            </button>
          </li>
        )}
        {rest.map((view) => (
          <ViewLink key={view.id} view={view} isCurrent={view.id === current} isRest isOpen={isOpen.value} />
        ))}
      </ul>
    </nav>
  );
}

function ViewLink({ view, isCurrent, isRest, isOpen }: { view: View; isCurrent: boolean; isRest?: boolean; isOpen?: boolean }) {
  return (
    <li class={isRest ? (isOpen ? "rest open" : "rest") : ""}>
      <a href={href(view.id)} aria-current={isCurrent ? "page" : undefined}>
        <Icon name={view.icon} />
        {t(view.label)}
        {view.count && view.count.of.value > 0 && <Count of={view.count.of.value} words={view.count.words} />}
      </a>
    </li>
  );
}

function Count({ of, words }: { of: number; words: Words }) {
  return (
    <>
      <span class="count" aria-hidden="true">
        {number(of, { notation: "compact" })}
      </span>
      <span class="hidden">{t(words, { n: of })}</span>
    </>
  );
}

function GalleryChoice() {
  const several = useComputed(() => (galleries.value?.length ?? 0) > 1);
  const present = gallery.value;
  if (!present) return <span class="gallery-name" />;
  if (!several.value) {
    return (
      <span class="gallery-name">
        <Name of={present.name} />
      </span>
    );
  }
  return (
    <span class="gallery-name">
      <select aria-label={t("gallery.choose")} value={present.name} onChange={(event) => (location.hash = href(route.value.view, "", event.currentTarget.value))}>
        {galleries.value?.map((one) => (
          <option key={one.name} value={one.name}>
            {one.name}
          </option>
        ))}
      </select>
    </span>
  );
}

function Banners() {
  return (
    <div role="status" aria-live="polite">
      {!isReachable.value && <p class="banner warn">{t("banner.unreachable")}</p>}
      {isReachable.value && busyFor.value > 0 && <p class="banner">{t("banner.busy", { n: busyFor.value })}</p>}
      {isMigrated.value && (
        <p class="banner">
          {t("banner.migrated")}
          <button type="button" class="plain" onClick={() => (isMigrated.value = false)}>
            {t("understood")}
          </button>
        </p>
      )}
    </div>
  );
}
