// Builds preview/bundle: the component with everything it needs, as one script and one style sheet, for pages outside
// Salesforce (the emulator's case page, pictures for the guide). `--check` says whether the committed bundle is current.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import lwc from "@lwc/rollup-plugin";
import { rollup } from "rollup";
import { minify } from "terser";
import { styles } from "./styles.mjs";

const require = createRequire(import.meta.url);
const { labels } = require("../test/labels.cjs");
const engine = require("@lwc/engine-dom/package.json").version;
const LWC = "force-app/main/default/lwc";
const BUNDLE = "preview/bundle";
const STUBS = {
    "@salesforce/apex": "apex.js",
    "@salesforce/apex/CrmBridgeDraftController.load": "load.js",
    "@salesforce/apex/CrmBridgeDraftController.decide": "decide.js",
    "@salesforce/apex/CrmBridgeDraftController.startReply": "startReply.js",
    "@salesforce/user/Id": "user.js",
    "lightning/navigation": "navigation.js"
};
const LABEL = "@salesforce/label/c.";

/** Replaces what only Salesforce has. */
function salesforce() {
    const texts = labels();
    return {
        name: "salesforce",
        resolveId(id) {
            if (STUBS[id]) return join(process.cwd(), "preview/stubs", STUBS[id]);
            const [, component] = id.match(/^c\/(\w+)$/) ?? [];
            if (component) return join(process.cwd(), LWC, component, `${component}.js`);
            return id.startsWith(LABEL) ? `\0${id}` : null;
        },
        load(id) {
            if (!id.startsWith(`\0${LABEL}`)) return null;
            const name = id.slice(LABEL.length + 1);
            if (!texts.has(name)) throw new Error(`no label ${name}`);
            return `export default ${JSON.stringify(texts.get(name))};`;
        }
    };
}

async function sources(folder) {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    return found
        .filter((file) => file.isFile() && !file.parentPath.includes("__tests__") && !file.name.endsWith("meta.xml"))
        .map((file) => join(file.parentPath, file.name));
}

/** Of everything the bundle is made from; the Python tests compute the same. */
async function fingerprint() {
    const own = ["mount.js", "bridge.js", "build.mjs", "styles.mjs"].map((name) => join("preview", name));
    const rest = [...(await sources(LWC)), ...(await sources("preview/stubs"))];
    const files = [...own, ...rest, "force-app/main/default/labels/CustomLabels.labels-meta.xml"].sort();
    const hash = createHash("sha256");
    for (const file of files) hash.update(`${file}\n`).update(await readFile(file));
    return hash.digest("hex");
}

/**
 * The engine puts the component's styles into <style> elements, which a page with a strict content security policy
 * refuses. A constructed sheet is the same and allowed; the engine knows it, but for parts of a page only.
 */
const ALLOWED_STYLES = [
    ["const cacheData = getCacheData(content, false);", "const cacheData = getCacheData(content, true);"],
    [
        "insertStyleElement(content, document.head, cacheData, signal);",
        "insertConstructableStylesheet(content, document, cacheData, signal);"
    ]
];

function withAllowedStyles(code) {
    return ALLOWED_STYLES.reduce((changed, [theirs, ours]) => {
        if (changed.split(theirs).length !== 2) throw new Error(`the engine has changed: ${theirs}`);
        return changed.replace(theirs, ours);
    }, code);
}

async function script() {
    const bundle = await rollup({
        input: "preview/mount.js",
        plugins: [salesforce(), lwc({ rootDir: LWC })],
        onwarn: (warning) => {
            if (warning.code !== "CIRCULAR_DEPENDENCY") throw new Error(warning.message);
        }
    });
    const { output } = await bundle.generate({ format: "iife", name: "crmBridgeDraft", extend: true });
    // The engine's developer warnings are left out with everything else nobody reads.
    const production = withAllowedStyles(output[0].code).replaceAll("process.env.NODE_ENV", '"production"');
    const { code } = await minify(production, { format: { comments: false, ascii_only: true } });
    return `/* LWC ${engine} (MIT, see LICENSES.md) and crm_bridge's own component. Made by: npm run preview */\n${code}\n`;
}

const current = await fingerprint();
const stamp = join(BUNDLE, "SOURCES.sha256");
if (process.argv.includes("--check")) {
    const built = await readFile(stamp, "utf8").catch(() => "");
    if (built.trim() !== current) {
        console.error("preview/bundle is older than its sources: npm run preview");
        process.exitCode = 1;
    }
} else {
    const code = await script();
    await mkdir(BUNDLE, { recursive: true });
    await writeFile(join(BUNDLE, "crm-bridge-draft.js"), code);
    const css = await styles(LWC);
    await writeFile(join(BUNDLE, "crm-bridge-draft.css"), css);
    await writeFile(stamp, `${current}\n`);
    console.log(
        `preview/bundle: ${Math.round(code.length / 1024)} kB script, ${Math.round(css.length / 1024)} kB style sheet`
    );
}
