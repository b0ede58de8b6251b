/** Whether the page is on a phone, where nothing can be dropped or dragged: texts name what can be done there. */

import { signal } from "@preact/signals";

const query = matchMedia("(pointer: coarse), (max-width: 560px)");
export const isPhone = signal(query.matches);
query.addEventListener("change", () => (isPhone.value = query.matches));
