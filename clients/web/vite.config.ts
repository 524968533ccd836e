import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defaultClientConditions, defaultServerConditions, defineConfig } from "vite";

const gateway = process.env["WHITEBG_HTTP_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  // The client is taken as it stands beside the page, not as it was last compiled; by the tests in Node, too.
  resolve: { conditions: ["whitebg-source", ...defaultClientConditions] },
  ssr: { resolve: { conditions: ["whitebg-source", ...defaultServerConditions] } },
  build: {
    outDir: fileURLToPath(new URL("../../ws_gateway/static", import.meta.url)),
    emptyOutDir: true,
    // The policy of the gateway allows no data: script and no inline style, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { "/api": gateway, "/images": gateway, "/ws": { target: gateway, ws: true } } },
});
