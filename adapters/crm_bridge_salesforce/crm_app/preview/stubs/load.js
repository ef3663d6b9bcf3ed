import { LoadAdapter, ask } from "../bridge.js";

export default function load(argument) {
    return ask("load", argument);
}
load.adapter = LoadAdapter;
