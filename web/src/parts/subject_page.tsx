/** One subject: its examples, and what can be done with it and with each of them. */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Example, Merge, Subject } from "../api";
import { go, href, replace } from "../route";
import { api, gallery, mayEnroll, notify, refresh } from "../state";
import { date, Name, T, t } from "../words";
import { Confirm, Dialog } from "./dialog";
import { Choose, DropHint, useDrop } from "./drop";
import { enrollAndTell } from "./enroll_dialog";
import type { Found } from "./files";
import { Icon } from "./icon";
import { notifyProblem, ProblemText } from "./notices";
import { Picture } from "./picture";
import { RejectedPictures } from "./rejected_pictures";
import { SubjectPicker } from "./subject_picker";

interface Content {
  subject: Subject;
  examples: Example[];
  next: string | null;
  merges: Merge[];
}

export function SubjectPage({ name }: { name: string }) {
  const [content, setContent] = useState<Content | null>(null);
  const [error, setError] = useState<unknown>(null);
  const sending = useSignal<{ done: number; of: number } | null>(null);
  const revision = gallery.value?.revision;
  const read = () => {
    setError(null);
    Promise.all([api.value.subject(name), api.value.examples(name), api.value.merges()]).then(
      ([subject, page, merges]) => setContent({ subject, ...page, merges: merges.filter((one) => one.into === name) }),
      setError,
    );
  };
  useEffect(read, [name, revision]);
  const add = (found: Found[]) => {
    if (!mayEnroll.value || sending.value) return;
    sending.value = { done: 0, of: found.length };
    void enrollAndTell(name, found, (done) => (sending.value = { done, of: found.length })).finally(() => (sending.value = null));
  };
  const isOver = useDrop(add);
  const more = async () => {
    if (!content?.next) return;
    const page = await api.value.examples(name, content.next);
    setContent({ ...content, examples: [...content.examples, ...page.examples], next: page.next });
  };
  return (
    <>
      <a class="back" href={href("gallery")}>
        <Icon name="back" />
        {t("nav.gallery")}
      </a>
      {error !== null ? (
        <>
          <h1>
            <Name of={name} />
          </h1>
          <ProblemText error={error} onRetry={read} />
        </>
      ) : (
        <>
          <Head name={name} subject={content?.subject ?? null} onFiles={add} />
          {sending.value && <progress max={sending.value.of} value={sending.value.done} aria-label={t("enroll.progress")} />}
          {content?.merges.map((one) => <MergeLine key={one.id} merge={one} />)}
          <ul class="examples" aria-label={t("subject.examples")}>
            {content?.examples.map((one) => <ExampleTile key={one.id} one={one} isLast={content.subject.examples === 1} />)}
          </ul>
          {content?.next && (
            <button type="button" onClick={() => more().catch(notifyProblem)}>
              {t("subject.more")}
            </button>
          )}
          {content && <RejectedPictures name={name} revision={revision} />}
        </>
      )}
      {mayEnroll.value && <DropHint isOver={isOver} />}
    </>
  );
}

function Head({ name, subject, onFiles }: { name: string; subject: Subject | null; onFiles: (found: Found[]) => void }) {
  const open = useSignal<"rename" | "merge" | "remove" | null>(null);
  const close = () => (open.value = null);
  return (
    <>
      <div class="title">
        <div>
          <h1>
            <Name of={name} />
          </h1>
          <p class="hint">{subject && t("subject.about", { n: subject.examples, date: date(subject.created) })}</p>
        </div>
        {mayEnroll.value && (
          <div class="actions">
            <Choose icon="add" class="primary" onFiles={onFiles}>
              {t("subject.add")}
            </Choose>
            <button type="button" onClick={() => (open.value = "rename")}>
              <Icon name="edit" />
              {t("subject.rename")}
            </button>
            <button type="button" onClick={() => (open.value = "merge")}>
              <Icon name="merge" />
              {t("subject.merge")}
            </button>
            <button type="button" onClick={() => (open.value = "remove")}>
              <Icon name="trash" />
              {t("subject.remove")}
            </button>
          </div>
        )}
      </div>
      {open.value === "rename" && <Rename name={name} onClose={close} />}
      {open.value === "merge" && (
        <Dialog title={<T words="merge.title" name={<Name of={name} />} />} onClose={close}>
          <p class="hint">{t("merge.hint")}</p>
          <SubjectPicker
            label={t("merge.into")}
            action={t("merge.start")}
            except={name}
            mayBeNew={false}
            onChoose={(into) => {
              close();
              merge(name, into).catch(notifyProblem);
            }}
            onClose={close}
          />
        </Dialog>
      )}
      {open.value === "remove" && (
        <Confirm
          title={<T words="remove.title" name={<Name of={name} />} />}
          action={t("remove.start")}
          onConfirm={() => removeSubject(name).catch(notifyProblem)}
          onClose={close}
        >
          <p>{t("remove.hint", { n: subject?.examples ?? 0 })}</p>
        </Confirm>
      )}
    </>
  );
}

function Rename({ name, onClose }: { name: string; onClose: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<unknown>(null);
  useLayoutEffect(() => input.current?.select(), []);
  const save = async () => {
    const to = input.current?.value.trim() ?? "";
    if (!to || to === name) return onClose();
    try {
      await rename(name, to);
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={<T words="rename.title" name={<Name of={name} />} />} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label for="rename">{t("rename.label")}</label>
        <input ref={input} id="rename" type="text" dir="auto" maxLength={200} autocomplete="off" defaultValue={name} required />
        {error !== null && <ProblemText error={error} />}
        <div class="actions end">
          <button type="submit" class="primary">
            {t("rename.start")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

async function rename(name: string, to: string): Promise<void> {
  const server = api.value;
  const found = await server.rename(name, to);
  replace("gallery", found.name);
  await refresh();
  const undo = async () => {
    await server.rename(found.name, name);
    go("gallery", name);
    await refresh();
  };
  notify({ kind: "done", text: <T words="rename.done" name={<Name of={found.name} />} />, undo });
}

async function merge(name: string, into: string): Promise<void> {
  const server = api.value;
  const { id } = await server.merge(name, into);
  replace("gallery", into);
  await refresh();
  const undo = () => undoMerge(id, name);
  notify({ kind: "done", text: <T words="merge.done" name={<Name of={name} />} into={<Name of={into} />} />, undo });
}

async function undoMerge(id: number, name: string): Promise<void> {
  await api.value.undoMerge(id);
  go("gallery", name);
  await refresh();
}

async function removeSubject(name: string): Promise<void> {
  await api.value.removeSubject(name);
  replace("gallery");
  await refresh();
  notify({ kind: "done", text: <T words="remove.done" name={<Name of={name} />} /> });
}

function MergeLine({ merge: one }: { merge: Merge }) {
  return (
    <p class="said">
      <Icon name="merge" />
      <span>
        <T words="merge.line" name={<Name of={one.source} />} n={one.moved} />
      </span>
      {mayEnroll.value && (
        <button type="button" class="plain" onClick={() => undoMerge(one.id, one.source).catch(notifyProblem)}>
          <Icon name="undo" />
          {t("undo")}
        </button>
      )}
    </p>
  );
}

function ExampleTile({ one, isLast }: { one: Example; isLast: boolean }) {
  const open = useSignal<"move" | "remove" | null>(null);
  const close = () => (open.value = null);
  const label = t("subject.picture", { source: one.source });
  return (
    <li class="example">
      <Picture of={api.value.thumbnail(one.id, 320)} alt={label} />
      <p class="source">
        <bdi title={one.source}>{one.source.split("/").at(-1) || t("subject.no_source")}</bdi>
        <span class="hint">{date(one.created)}</span>
      </p>
      {mayEnroll.value && (
        <div class="actions tight">
          <button type="button" class="plain" aria-label={t("move.label", { source: one.source })} onClick={() => (open.value = "move")}>
            <Icon name="move" />
            {t("move")}
          </button>
          <button type="button" class="plain" aria-label={t("example.remove", { source: one.source })} onClick={() => (open.value = "remove")}>
            <Icon name="trash" />
            {t("subject.remove")}
          </button>
        </div>
      )}
      {open.value === "move" && (
        <Dialog title={t("move.title")} onClose={close}>
          <SubjectPicker
            label={t("move.to")}
            action={t("move.start")}
            except={one.subject}
            mayBeNew
            onChoose={(to) => {
              close();
              move(one, to).catch(notifyProblem);
            }}
            onClose={close}
          />
        </Dialog>
      )}
      {open.value === "remove" && (
        <Confirm
          title={t("example.title")}
          action={t("remove.start")}
          onConfirm={() => removeExample(one).catch(notifyProblem)}
          onClose={close}
        >
          <p>{t(isLast ? "example.last" : "example.hint")}</p>
        </Confirm>
      )}
    </li>
  );
}

async function move(one: Example, to: string): Promise<void> {
  const server = api.value;
  const moved = await server.moveExample(one.id, to);
  await refresh();
  const undo = async () => {
    await server.moveExample(moved.id, one.subject);
    await refresh();
  };
  notify({ kind: "done", text: <T words="move.done" name={<Name of={to} />} />, undo });
}

async function removeExample(one: Example): Promise<void> {
  const { subject_removed: isGone } = await api.value.removeExample(one.id);
  if (isGone) replace("gallery");
  await refresh();
  notify({ kind: "done", text: t("example.done") });
}
