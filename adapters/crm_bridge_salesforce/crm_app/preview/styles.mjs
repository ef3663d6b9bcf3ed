// The part of the Salesforce Lightning Design System that the component's templates use.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

const SHEET = "node_modules/@salesforce-ux/design-system/assets/styles/salesforce-lightning-design-system.css";
const ALWAYS = [
    /^html$/,
    /^body$/,
    /^\*/,
    /^:root$/,
    /^(button|input|textarea|fieldset|legend|label|h2|h3|p|ul|ol|dl|dd|dt|li|a|strong|summary)$/
];

export async function styles(folder) {
    const used = new Set();
    for (const name of await readdir(folder, { recursive: true })) {
        if (!name.endsWith(".html")) continue;
        const html = await readFile(join(folder, name), "utf8");
        for (const [, classes] of html.matchAll(/class="([^"{]*)"/g))
            classes.split(/\s+/).forEach((one) => used.add(one));
    }
    const sheet = (await readFile(SHEET, "utf8")).replace(/\/\*[\s\S]*?\*\//g, "");
    const kept = rules(sheet)
        .map(({ selectors, body }) => ({ selectors: selectors.filter((one) => isUsed(one, used)), body }))
        .filter(({ selectors }) => selectors.length > 0)
        .map(({ selectors, body }) => `${selectors.join(",\n")} {${body}}`);
    return `/* From the Salesforce Lightning Design System 2 (BSD-3-Clause, see LICENSES.md): only what the component uses. */\n${kept.join("\n")}\n`;
}

/** Plain rules only; media queries and fonts are left out. */
function rules(sheet) {
    const found = [];
    let at = 0;
    while (at < sheet.length) {
        const open = sheet.indexOf("{", at);
        if (open < 0) break;
        const close = endOf(sheet, open);
        const head = sheet.slice(at, open).trim().split(";").pop().trim();
        if (head && !head.startsWith("@")) {
            const body = sheet.slice(open + 1, close);
            found.push({ selectors: head.split(",").map((one) => one.trim()), body });
        }
        at = close + 1;
    }
    return found;
}

function endOf(sheet, open) {
    let depth = 0;
    for (let at = open; at < sheet.length; at += 1) {
        if (sheet[at] === "{") depth += 1;
        if (sheet[at] === "}") depth -= 1;
        if (depth === 0) return at;
    }
    return sheet.length;
}

function isUsed(selector, used) {
    const classes = [...selector.matchAll(/\.([\w-]+)/g)].map(([, name]) => name);
    if (classes.length === 0) return ALWAYS.some((known) => known.test(selector));
    return classes.every((name) => used.has(name));
}
