/**
 * Warning headers: what steps warn of, as headers; each text once.
 *
 * Long ones are cut, and many are left out, as Kubernetes does: a client may refuse an answer for its headers' size.
 */
const TOTAL_CHARACTERS = 4096;
const CUT_CHARACTERS = 256;

export function warningHeaders(warnings: readonly string[]): readonly string[] {
  const texts = [...new Set(warnings)].filter((text) => text !== "");
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  return (total <= TOTAL_CHARACTERS ? texts : cut(texts)).map((text) => `299 - ${quoted(text)}`);
}

function cut(texts: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let written = 0;
  for (const text of texts) {
    const short = [...text.slice(0, 2 * CUT_CHARACTERS)].slice(0, CUT_CHARACTERS).join("");
    written += short.length;
    if (written > TOTAL_CHARACTERS) break;
    kept.push(short);
  }
  return kept;
}

/** A header has no control characters, not even those that JSON leaves as they are. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\u009f]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
