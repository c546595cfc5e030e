/**
 * Writing: what commands that change objects share: dry run, field validation, and how the outcome prints.
 */
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Run } from "./command.ts";
import { type ResourceType, typeName } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import type { FlagTable } from "./flags.ts";
import { createPrinter, type Printer } from "./output/printer.ts";

export const writeFlags = {
  "dry-run": {
    type: "string",
    default: "none",
    alone: "unchanged",
    help: 'Must be "none", "server", or "client". If client strategy, only print the object that would be sent, without sending it.',
  },
  output: { type: "string", short: "o", default: "", help: "Output format: json, yaml, name, jsonpath=…" },
  "show-managed-fields": { type: "boolean", help: "If true, keep the managedFields when printing objects." },
  "field-manager": { type: "string", default: "kubectl", help: "Name of the manager used to track field ownership." },
} as const satisfies FlagTable;

export const validateFlag = {
  validate: {
    type: "string",
    default: "strict",
    alone: "strict",
    help: "Must be one of: strict (or true), warn, ignore (or false).",
  },
} as const satisfies FlagTable;

export type DryRun = "none" | "client" | "server";

type WriteRun = Run<typeof writeFlags>;

export function dryRunOf(value: string): DryRun {
  if (value === "unchanged" || value === "client") return "client";
  if (value === "none" || value === "server") return value;
  throw new CommandError(`Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
}

const VALIDATION: Readonly<Record<string, string>> = {
  strict: "Strict",
  true: "Strict",
  warn: "Warn",
  ignore: "Ignore",
  false: "Ignore",
};

/** The query of a write. */
export function writeQuery(flags: {
  readonly "dry-run": string;
  readonly "field-manager": string;
  readonly validate?: string;
}): Record<string, string> {
  const validation = flags.validate === undefined ? undefined : VALIDATION[flags.validate];
  if (flags.validate !== undefined && !validation) {
    throw new CommandError(`invalid - validate option ${JSON.stringify(flags.validate)}`);
  }
  return {
    fieldManager: flags["field-manager"],
    ...(validation ? { fieldValidation: validation } : {}),
    ...(dryRunOf(flags["dry-run"]) === "server" ? { dryRun: "All" } : {}),
  };
}

const SUFFIX: Readonly<Record<DryRun, string>> = { none: "", client: " (dry run)", server: " (server dry run)" };

/** Prints what became of each object: `deployment.apps/web created`, or the object as -o asks. */
export async function createReporter(
  run: WriteRun,
): Promise<(type: ResourceType, object: KubeObject, what: string) => void> {
  const dryRun = dryRunOf(run.flags["dry-run"]);
  const printer: Printer | undefined =
    run.flags.output === ""
      ? undefined
      : await createPrinter(run.flags.output, { showManagedFields: run.flags["show-managed-fields"] });
  return (type, object, what) => {
    if (printer) return run.out(printer.printNext(object));
    run.out(`${typeName(type)}/${object.metadata.name ?? ""} ${what}${SUFFIX[dryRun]}\n`);
  };
}
