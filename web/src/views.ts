/** The views, in the order of the navigation. A new view is one file in views/, and one line here. */

import type { ComponentType } from "preact";
import type { IconName } from "./parts/icon";
import type { Words } from "./words";

export interface View {
  /** Its part of the address. */
  id: string;
  label: Words;
  icon: IconName;
  load: () => Promise<{ default: ComponentType<ViewProps> }>;
}

export interface ViewProps {
  /** The last part of the address, "" if there is none. */
  argument: string;
}

export const VIEWS: View[] = [
  { id: "identify", label: "nav.identify", icon: "search", load: () => import("./views/identify") },
];
