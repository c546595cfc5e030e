/**
 * Flags: parses a component's command line and prints its --help, both from the same table.
 *
 * Values may also stand in the environment: `--store` as K8TS_STORE. The command line wins.
 */
import { parseArgs } from "node:util";
import type { Flag, Flags, FlagValues } from "./component.ts";

/** Wrong use of the command line: printed without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Flags that every component has. */
export const commonFlags = {
  "log-level": { type: "string", default: "info", value: "LEVEL", help: "debug, info, warn or error" },
  "log-file": { type: "string", value: "FILE", help: "write the log here and rotate it; standard error otherwise" },
  help: { type: "boolean", help: "show this text" },
} as const satisfies Flags;

/** Throws UsageError for unknown flags, bad numbers and stray arguments. */
export function parseFlags<const F extends Flags>(
  flags: F,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): FlagValues<F> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      { type: flag.type === "boolean" ? ("boolean" as const) : ("string" as const), multiple: flag.multiple ?? false },
    ]),
  );
  let given: Record<string, unknown>;
  try {
    given = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false, allowNegative: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const values = Object.entries(flags).map(([name, flag]) => [name, settle(name, flag, said(name, given), env)]);
  return Object.fromEntries(values) as FlagValues<F>;
}

/** The command line that says what these values say; defaults are left out. */
export function asArguments(flags: Flags, values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    const value = values[name];
    if (value === undefined || value === flag.default || value === false) return [];
    if (value === true) return [`--${name}`];
    return (Array.isArray(value) ? value : [value]).flatMap((one) => [`--${name}`, String(one)]);
  });
}

export function helpText(name: string, summary: string, flags: Flags): string {
  const all: Flags = { ...flags, ...commonFlags };
  const rows = Object.entries(all).map(([flag, spec]) => {
    const left = spec.type === "boolean" ? `--${flag}` : `--${flag} ${spec.value ?? spec.type.toUpperCase()}`;
    const fallback = spec.default === undefined || spec.default === false ? "" : ` (default ${String(spec.default)})`;
    return [left, `${spec.help}${fallback}`] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  return `${summary}\n\nUsage: k8ts ${name} [flags]\n\nFlags:\n${lines.join("\n")}\n`;
}

/** parseArgs reads "--no-sample" as "sample is false", also where "no-sample" is the flag's own name. */
function said(name: string, given: Readonly<Record<string, unknown>>): unknown {
  if (!name.startsWith("no-")) return given[name];
  return given[name] ?? (given[name.slice("no-".length)] === false ? true : undefined);
}

function settle(name: string, flag: Flag, given: unknown, env: Readonly<Record<string, string | undefined>>): unknown {
  if (flag.multiple) return given ?? env[variable(name)]?.split(",") ?? [];
  const value = given ?? env[variable(name)] ?? flag.default;
  if (flag.type === "number" && value !== undefined) {
    const number = Number(value);
    if (!Number.isFinite(number)) throw new UsageError(`--${name} takes a number, not ${JSON.stringify(value)}`);
    return number;
  }
  if (flag.type === "boolean") return value === true || value === "true" || value === "1";
  return value;
}

const variable = (name: string) => `K8TS_${name.replaceAll("-", "_").toUpperCase()}`;
