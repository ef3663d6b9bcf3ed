// The custom labels of the app as they are deployed, so that tests and the preview say what agents read.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const FILE = join(__dirname, "../force-app/main/default/labels/CustomLabels.labels-meta.xml");
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&apos;": "'", "&quot;": '"' };

/** Names to texts. */
exports.labels = function labels() {
    const found = new Map();
    for (const [, block] of readFileSync(FILE, "utf8").matchAll(/<labels>([\s\S]*?)<\/labels>/g)) {
        const of = (name) => block.match(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`))[1];
        found.set(
            of("fullName"),
            of("value").replace(/&\w+;/g, (entity) => ENTITIES[entity])
        );
    }
    return found;
};
