/** The name of a subject, as a link to its pictures. */

import { href } from "../route";
import { VIEWS } from "../views";
import { Name } from "../words";

export function SubjectLink({ of }: { of: string }) {
  if (!VIEWS.some((view) => view.id === "gallery")) return <Name of={of} />;
  return (
    <a href={href("gallery", of)}>
      <Name of={of} />
    </a>
  );
}
