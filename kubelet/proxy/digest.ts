/** Digest: a short name for a text, the same at every start. Not against those who mean harm: nothing is guarded by it. */
import { createHash } from "node:crypto";

export const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);
