/** The name of a subject, as a link to its pictures. */

import { href } from "../route";
import { Name } from "../words";

export function SubjectLink({ of }: { of: string }) {
  return (
    <a href={href("gallery", of)}>
      <Name of={of} />
    </a>
  );
}
