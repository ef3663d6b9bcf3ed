import { refreshAll } from "../bridge.js";

export const refreshApex = () => refreshAll();
