// The rules for what runs in Salesforce are Salesforce's own; tests, scripts and the preview are plain modern JavaScript.
import salesforce from "@salesforce/eslint-config-lwc/recommended.js";
import js from "@eslint/js";
import globals from "globals";

const asFlat = (config) => (Array.isArray(config) ? config : [config]);

export default [
    { ignores: ["node_modules/", "coverage/", "preview/bundle/"] },
    ...asFlat(salesforce).map((config) => ({ ...config, files: ["force-app/**/lwc/**/*.js"] })),
    {
        files: ["force-app/**/__tests__/**/*.js", "test/**/*.js"],
        languageOptions: { globals: { ...globals.node, ...globals.jest } },
        rules: { "@lwc/lwc/no-async-operation": "off", "@lwc/lwc/no-inner-html": "off" }
    },
    {
        files: ["**/*.mjs", "preview/**/*.js", "*.config.js", "test/**/*.js"],
        ...js.configs.recommended,
        languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: { ...globals.node, ...globals.browser } }
    },
    { files: ["*.config.js", "test/**/*.cjs"], languageOptions: { sourceType: "commonjs" } }
];
