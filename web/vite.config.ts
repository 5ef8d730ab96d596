import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The bundle lies in the package that serves it, and in no commit.
export default defineConfig({
  plugins: [react()],
  build: { outDir: "../services/console/bundle", emptyOutDir: true },
  test: { css: { include: /(style|graph)\.css/ } }, // a test reads the colours
  // `npx vite` in web/ shows each change at once, beside a console at its usual address.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
