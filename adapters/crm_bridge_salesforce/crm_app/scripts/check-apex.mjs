// Parses every Apex class and fails on the first that is not Apex or not formatted. `--write` formats them instead.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as apex from "prettier-plugin-apex";
import { format } from "prettier";

const FOLDER = "force-app/main/default/classes";
const OPTIONS = { parser: "apex", plugins: [apex], printWidth: 120, tabWidth: 4 };
const write = process.argv.includes("--write");

const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".cls")).sort();
let wrong = 0;
for (const name of names) {
    const path = join(FOLDER, name);
    const source = await readFile(path, "utf8");
    try {
        const formatted = await format(source, { ...OPTIONS, filepath: path });
        if (formatted === source) continue;
        if (write) await writeFile(path, formatted);
        else {
            wrong += 1;
            console.error(`${path}: not formatted (npm run apex -- --write)`);
        }
    } catch (error) {
        wrong += 1;
        console.error(`${path}: ${error.message}`);
    }
}
console.log(`${names.length} Apex files parsed, ${wrong} wrong`);
process.exitCode = wrong === 0 && names.length > 0 ? 0 : 1;
