/** A picture of a file that is not sent yet; an empty square where the browser cannot show it. */

import { useEffect, useState } from "preact/hooks";

export function FilePicture({ file }: { file?: File }) {
  const [source, setSource] = useState("");
  useEffect(() => {
    const made = file ? URL.createObjectURL(file) : "";
    setSource(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return <span class="picture">{source && <img src={source} alt="" decoding="async" onError={() => setSource("")} />}</span>;
}
