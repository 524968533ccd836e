/** What the compiler does not see: promises that nobody awaits, hooks out of order, controls that nobody can reach. */
import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y-x";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  // Vite compiles its configuration by itself: it belongs to no project that could be checked.
  globalIgnores(["**/dist/", "typescript/src/generated/", "web/vite.config.ts"]),
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [js.configs.recommended, ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // `() => set(value)` and `${count} photos` hide nothing.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["**/*.tsx"],
    extends: [hooks.configs.flat["recommended-latest"], a11y.configs.strict],
    // What a status says more of when it is pointed at has to be there for the keyboard too.
    rules: { "jsx-a11y-x/no-noninteractive-tabindex": ["error", { tags: [], roles: ["tabpanel", "status", "application"] }] },
  },
  {
    files: ["*/tests/**"],
    // A test that is wrong about what is there is to fail.
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
);
