/** Writes ZIP archives without compression: pictures have theirs. The files are read once, and not kept in memory. */

export interface Member {
  path: string;
  file: Blob;
}

const UTF8 = 1 << 11;
const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let value = ~0;
  for (let place = 0; place < bytes.length; place++) value = (value >>> 8) ^ (TABLE[(value ^ (bytes[place] as number)) & 255] as number);
  return ~value >>> 0;
}

/** An archive of fewer than 65,535 files and 4 GiB: larger imports are sent as several. */
export async function zip(members: Member[]): Promise<Blob> {
  const parts: BlobPart[] = [];
  const table: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const { path, file } of members) {
    const name = new TextEncoder().encode(path);
    const common = fields(name.length, crc32(new Uint8Array(await file.arrayBuffer())), file.size);
    const local = record(0x04034b50, common, name);
    parts.push(local, file);
    table.push(central(common, name, offset));
    offset += local.length + file.size;
  }
  const size = table.reduce((sum, one) => sum + one.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, members.length, true);
  end.setUint16(10, members.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...table, end.buffer], { type: "application/zip" });
}

/** What a file has in both of its records: version to the length of its extra field. */
function fields(nameLength: number, crc: number, size: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, 20, true); // version
  view.setUint16(2, UTF8, true);
  view.setUint16(8, (1 << 5) | 1, true); // 1980-01-01
  view.setUint32(10, crc, true);
  view.setUint32(14, size, true);
  view.setUint32(18, size, true);
  view.setUint16(22, nameLength, true);
  return new Uint8Array(view.buffer);
}

function record(mark: number, common: Uint8Array, name: Uint8Array): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(4 + common.length + name.length);
  new DataView(made.buffer).setUint32(0, mark, true);
  made.set(common, 4);
  made.set(name, 4 + common.length);
  return made;
}

function central(common: Uint8Array, name: Uint8Array, offset: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(46 + name.length);
  const view = new DataView(made.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, 20, true);
  made.set(common, 6);
  view.setUint32(42, offset, true);
  made.set(name, 46);
  return made;
}
