/**
 * Field selectors: "metadata.name=web,status.phase!=Running".
 *
 * Which fields a kind offers is the table of resources' business; here is only the language.
 * Wording: k8s.io/apimachinery/pkg/fields.
 */
import { SelectorError } from "./selector-lexer.ts";

export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

export type FieldSelector = readonly FieldRequirement[];

export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === "") continue;
    const found = /^((?:\\.|[^\\=!]|!(?!=))*?)(!=|==|=)(.*)$/s.exec(term);
    if (!found) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field = "", operator, value = ""] = found;
    requirements.push({ field, operator: operator === "!=" ? "!=" : "=", value: unescapeValue(value) });
  }
  return requirements;
}

/** `read` gives a field of the object, "" where it is not set. */
export function matchesFields(selector: FieldSelector, read: (field: string) => string): boolean {
  return selector.every(({ field, operator, value }) => (read(field) === value) === (operator === "="));
}

/** The value that a selector demands of a field, where it demands exactly one. */
export function exactValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((one) => one.field === field && one.operator === "=")?.value;
}

export function formatFieldSelector(selector: FieldSelector): string {
  return selector.map(({ field, operator, value }) => `${field}${operator}${escapeValue(value)}`).join(",");
}

/** Commas behind a backslash do not separate. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === ",") {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

const escapeValue = (value: string): string => value.replace(/[\\,=]/g, (char) => `\\${char}`);

function unescapeValue(value: string): string {
  return value.replace(/\\(.?)|([,=])/gs, (_, escaped: string | undefined, bare: string | undefined) => {
    if (bare !== undefined) {
      throw new SelectorError(`invalid field selector: unescaped character in value: ${bare}`);
    }
    if (escaped !== "\\" && escaped !== "," && escaped !== "=") {
      throw new SelectorError(`invalid field selector: invalid escape sequence: \\${escaped}`);
    }
    return escaped;
  });
}
