/** Gallery: all subjects with a picture each; or one subject with its examples. */

import { useEffect } from "preact/hooks";
import { SubjectPage } from "../parts/subject_page";
import { SubjectsGrid } from "../parts/subjects_grid";
import type { ViewProps } from "../views";
import "../styles/gallery.css";

let left = 0; // where the grid was scrolled to when a subject was opened

export default function Gallery({ argument }: ViewProps) {
  useEffect(() => {
    scrollTo(0, argument ? 0 : left);
    if (argument) return;
    const remember = () => {
      if (document.querySelector(".tiles")) left = scrollY; // it is gone before this listener is
    };
    addEventListener("scroll", remember, { passive: true });
    return () => removeEventListener("scroll", remember);
  }, [argument]);
  return argument ? <SubjectPage key={argument} name={argument} /> : <SubjectsGrid />;
}
