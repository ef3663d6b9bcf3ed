import { ask } from "../bridge.js";

const Navigate = Symbol("Navigate");

export const NavigationMixin = (Base) =>
    class extends Base {
        [Navigate](page) {
            ask("navigate", page);
        }
    };
NavigationMixin.Navigate = Navigate;
