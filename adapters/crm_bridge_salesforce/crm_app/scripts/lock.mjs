// Makes package-lock.json anew and takes out of it where packages were fetched from: everybody has a registry of their
// own. (npm's own setting for that also loses the versions of packages for other platforms.)
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";

const LOCK = "package-lock.json";
rmSync(LOCK, { force: true });
execFileSync("npm", ["install", "--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved=false"], {
    stdio: "inherit"
});
const lock = JSON.parse(readFileSync(LOCK, "utf8"));
for (const entry of Object.values(lock.packages)) delete entry.resolved;
writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
