import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig, type Plugin } from "vite";

const HERE = import.meta.dirname;
const OUT = join(HERE, "../src/semelha/service/page");
const LEFT_OUT = ["node_modules"];
const SHARED = "../src/semelha/html/tokens.css";

/** The SHA-256 of all sources, which tests/page/test_build.py computes too. */
function sourceHash(): string {
  const hash = createHash("sha256");
  const files = readdirSync(HERE, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => relative(HERE, join(one.parentPath, one.name)).split(sep).join("/"))
    .filter((name) => !LEFT_OUT.includes(name.split("/")[0] ?? ""))
    .sort();
  for (const name of [...files, SHARED]) {
    hash.update(`${name}\0`).update(createHash("sha256").update(readFileSync(join(HERE, name))).digest());
  }
  return hash.digest("hex");
}

const record: Plugin = {
  name: "record-source-hash",
  closeBundle() {
    writeFileSync(join(OUT, "source.sha256"), `${sourceHash()}\n`);
  },
};

export default defineConfig({
  base: "./",
  root: HERE,
  plugins: [record],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: false, // the style of a view that failed to load once would never be asked for again
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000", "/healthz": "http://127.0.0.1:8000" } },
});
