/** Files that are dropped, pasted or chosen, with the folders they lie in. */

export interface Found {
  file: File;
  /** Path below what was dropped, such as "fruit/apple/1.jpg". */
  path: string;
}

const PICTURE = /\.(jpe?g|jfif|png|webp|bmp|dib|tiff?|gif|ppm|pgm|pbm|pnm|avif|heic|heif)$/i;

export function isPicture(file: File): boolean {
  return file.type.startsWith("image/") ? file.type !== "image/svg+xml" : PICTURE.test(file.name);
}

/** All files that were dropped, also those in folders. Hidden files are left out. */
export async function droppedFiles(transfer: DataTransfer): Promise<Found[]> {
  const entries = Array.from(transfer.items, (item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const plain = Array.from(transfer.files);
  const found: Found[] = [];
  if (!entries.some((entry) => entry !== null)) return chosenFiles(plain);
  for (const entry of entries) if (entry) await walk(entry, "", found);
  return found;
}

/** Files of an input; with `webkitdirectory` they have the path below the chosen folder. */
export function chosenFiles(files: Iterable<File>): Found[] {
  const found = Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }));
  return found.filter((one) => !one.path.split("/").some(isHidden));
}

export function isHidden(name: string): boolean {
  return name.startsWith(".") || name === "__MACOSX" || name === "Thumbs.db" || name === "desktop.ini";
}

async function walk(entry: FileSystemEntry, folder: string, found: Found[]): Promise<void> {
  if (isHidden(entry.name)) return;
  const path = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    found.push({ file, path });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, `${path}/`, found);
  }
}
