// A string made when it is looked at: the page says who the user is before the component is mounted.
import { userId } from "../bridge.js";

export default { toString: () => userId() };
