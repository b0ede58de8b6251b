/** The views, in the order of the navigation. A new view is one file in views/, and one line here. */

import type { ReadonlySignal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { IconName } from "./parts/icon";
import { reviewCount } from "./state";
import type { Words } from "./words";

export interface View {
  /** Its part of the address. */
  id: string;
  label: Words;
  icon: IconName;
  /** What waits in it: the number is in the navigation, and what it counts is read out. */
  count?: { of: ReadonlySignal<number>; words: Words };
  load: () => Promise<{ default: ComponentType<ViewProps> }>;
}

export interface ViewProps {
  /** The last part of the address, "" if there is none. */
  argument: string;
}

export const VIEWS: View[] = [
  { id: "identify", label: "nav.identify", icon: "search", load: () => import("./views/identify") },
  { id: "gallery", label: "nav.gallery", icon: "grid", load: () => import("./views/gallery") },
  { id: "start", label: "nav.start", icon: "add", load: () => import("./views/start") },
  {
    id: "review",
    label: "nav.review",
    icon: "inbox",
    count: { of: reviewCount, words: "review.count" },
    load: () => import("./views/review"),
  },
  { id: "care", label: "nav.care", icon: "care", load: () => import("./views/care") },
  { id: "map", label: "nav.map", icon: "map", load: () => import("./views/map") },
  { id: "trust", label: "nav.trust", icon: "shield", load: () => import("./views/trust") },
];
