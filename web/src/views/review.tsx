/** Review: what was not recognized for sure, in groups that are confirmed, named or dismissed, by keyboard too. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem } from "../api";
import { CalibrationOffer } from "../parts/calibration_offer";
import { useCards } from "../parts/cards";
import { Icon } from "../parts/icon";
import { Kinds } from "../parts/kinds";
import { ProblemText } from "../parts/notices";
import { ReviewGroup } from "../parts/review_group";
import { Shortcuts, useShortcuts } from "../parts/shortcuts";
import { UndoBar } from "../parts/undo_bar";
import { counts, failure, groups, isReading, kind, likeliest, page, readFirst, readMore, sendReviews, take } from "../reviewing";
import { api, calibration, gallery, mayEnroll, refresh, reviewCount, reviewsUnsent } from "../state";
import { carryOut, hold, undoLatest } from "../undoing";
import { Name, T, t, type Words } from "../words";
import "../styles/review.css";

const MOVES: [string, Words][] = [
  ["j", "shortcuts.next"],
  ["k", "shortcuts.before"],
];
const ACTS: [string, Words][] = [
  ["Enter", "review.key.confirm"],
  ["n", "review.key.name"],
  ["x", "review.key.dismiss"],
  ["u", "shortcuts.undo"],
];

export default function Review() {
  const naming = useSignal<number | null>(null);
  const left = useSignal<ReadonlySet<number>>(new Set()); // pictures that the user has left out of their groups
  const cards = useCards(groups.value.map((one) => one.id));
  const server = api.value;
  useEffect(() => void readFirst(server, "all"), []);

  /** Name the pictures of a group that were not left out, or dismiss them if the name is null. */
  const act = (id: number, name: string | null) => {
    const ids = chosenOf(id);
    if (!ids.length) return;
    naming.value = null;
    cards.choose(id);
    cards.goOn();
    const putBack = take(ids);
    const before = left.value;
    left.value = new Set(); // what is left of the group is a group
    const text =
      name === null ? t("review.dismissed", { n: ids.length }) : <T words="review.named" n={ids.length} name={<Name of={name} />} />;
    hold({
      text,
      undo: () => {
        putBack();
        left.value = before;
        requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-card="${id}"]`)?.focus());
      },
      send: async (isLeaving) => {
        try {
          await sendReviews(server, ids, name, isLeaving);
        } catch (error) {
          if (error instanceof Problem && error.status === 404) void readFirst(server, kind.value); // somebody else was faster
          throw error;
        }
        await refresh().catch(() => {});
        reviewsUnsent.value -= ids.length;
      },
    });
    if (groups.value.length === 0) void readMore(server);
  };
  const chosenOf = (id: number) => {
    const group = groups.value.find((one) => one.id === id);
    return (group?.reviews ?? []).map((one) => one.id).filter((one) => !left.value.has(one));
  };
  const present = groups.value.find((one) => one.id === cards.present);
  const step = (by: number) => {
    if (by > 0 && present === groups.value.at(-1)) void readMore(server);
    cards.step(by);
  };
  const keys: Record<string, () => void> = mayEnroll.value
    ? {
        n: () => {
          if (present) cards.choose((naming.value = present.id));
        },
        x: () => {
          if (present) act(present.id, null);
        },
        u: undoLatest,
      }
    : {};
  useShortcuts({ j: () => step(1), k: () => step(-1), ...keys });

  const isEmpty = page.value !== null && groups.value.length === 0 && !isReading.value;
  const isNew = reviewCount.value > counts.value.all && page.value !== null;
  return (
    <>
      <div class="title">
        <h1>{t("review.title")}</h1>
      </div>
      {page.value && <Off isKeeping={page.value.is_keeping} />}
      {!mayEnroll.value && <p class="banner">{t("review.read_only")}</p>}
      {page.value && counts.value.all > 0 && (
        <>
          <p class="hint intro">{t("review.what")}</p>
          <Kinds
            label={t("review.kinds")}
            chosen={kind.value}
            kinds={[
              { kind: "all", label: t("review.all"), count: counts.value.all },
              { kind: "unknown", label: t("answer.unknown"), count: counts.value.unknown },
              { kind: "uncertain", label: t("decision.uncertain"), count: counts.value.uncertain },
            ]}
            onChoose={(chosen) => {
              carryOut();
              void readFirst(server, chosen);
            }}
          />
          <Shortcuts keys={mayEnroll.value ? [...MOVES, ...ACTS] : MOVES} />
        </>
      )}
      {isNew && (
        <p class="banner" role="status">
          {t("review.new")}
          <button type="button" onClick={() => (carryOut(), void readFirst(server, kind.value))}>
            {t("review.show_new")}
          </button>
        </p>
      )}
      {isEmpty && !failure.value && <Empty />}
      <section class="groups" ref={cards.list} aria-label={t("review.groups")}>
        {groups.value.map((group) => (
          <ReviewGroup
            key={group.id}
            group={group}
            isPresent={group.id === cards.present}
            isNaming={naming.value === group.id}
            left={left.value}
            onPresent={() => cards.choose(group.id)}
            onLeave={(id) => {
              const next = new Set(left.value);
              if (!next.delete(id)) next.add(id);
              left.value = next;
            }}
            onConfirm={() => {
              const best = likeliest(group.reviews);
              if (best) act(group.id, best.nearest.subject);
            }}
            onName={(name) => act(group.id, name)}
            onDismiss={() => act(group.id, null)}
            onNaming={(isNaming) => {
              naming.value = isNaming ? group.id : null;
              if (!isNaming) cards.focusPresent();
            }}
          />
        ))}
      </section>
      {failure.value !== null && <ProblemText error={failure.value} onRetry={() => void readFirst(server, kind.value)} />}
      {isReading.value && (
        <p class="loading" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("loading")}
        </p>
      )}
      {page.value?.next && !isReading.value && (
        <div class="actions">
          <button type="button" onClick={() => void readMore(server)}>
            {t("review.more")}
          </button>
        </div>
      )}
      <UndoBar />
    </>
  );
}

/** Says that pictures are not kept, and how they would be. */
function Off({ isKeeping }: { isKeeping: boolean }) {
  if (isKeeping) return null;
  return (
    <p class="banner warn">
      <span>
        <T words="review.off" command={<code translate={false}>semelha serve {gallery.value?.name} --keep-reviews</code>} />
      </span>
    </p>
  );
}

function Empty() {
  if (calibration.value?.is_calibrated === false && (gallery.value?.subjects ?? 0) > 0) {
    return (
      <>
        <p>{t("review.not_calibrated")}</p>
        <CalibrationOffer />
      </>
    );
  }
  return page.value?.is_keeping ? (
    <div class="nothing">
      <Icon name="check" />
      <p>{t("review.nothing")}</p>
    </div>
  ) : null;
}
