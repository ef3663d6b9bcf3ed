import { ask } from "../bridge.js";

export default (argument) => ask("decide", argument);
