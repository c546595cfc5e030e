/**
 * Lazy: the door to the expression language, which is loaded when somebody first knocks.
 *
 * Loading is synchronous, so that validation of a kind can ask too; an idle server never pays for it.
 */
import { createRequire } from "node:module";
import type { cel as loaded } from "./cel.ts";
import type { Cel } from "./contract.ts";

const require = createRequire(import.meta.url);

/** Node keeps what it loaded: calls after the first cost a look into a map. */
export const cel = (): Cel => (require("./cel.ts") as { readonly cel: typeof loaded }).cel;
