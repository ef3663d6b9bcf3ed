import { ask } from "../bridge.js";

export default (argument) => ask("startReply", argument);
