// Bundles the core as an application would and fails if it is larger than it may be.
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const LIMIT = 11_250;

const bundle = await rolldown({ input: "dist/index.js", logLevel: "warn" });
const { output } = await bundle.generate({ format: "es", minify: true });
const size = gzipSync(output[0].code, { level: 9 }).length;
console.log(`the core is ${size} bytes gzipped, of ${LIMIT}`);
process.exit(size < LIMIT ? 0 : 1);
