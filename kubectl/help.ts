/** Help: what `kubectl`, `kubectl COMMAND --help` and a group without a subcommand print, from the tables. */
import type { AnyCommand, CommandGroup } from "./command.ts";
import { commands, sections } from "./commands.ts";
import type { FlagSpec } from "./flags.ts";

export function overview(): string {
  const lines = ["kubectl controls the Kubernetes cluster manager.", ""];
  for (const [section, title] of Object.entries(sections)) {
    const rows = Object.entries(commands).filter(([, entry]) => entry.section === section);
    lines.push(`${title}:`, ...list(rows.map(([name, entry]) => [name, entry.summary])), "");
  }
  lines.push("Usage:", "  kubectl [flags] [options]", "");
  lines.push('Use "kubectl <command> --help" for more information about a given command.', "");
  return lines.join("\n");
}

export function groupHelp(path: string, group: CommandGroup): string {
  const rows = Object.entries(group.commands).map(([name, one]): [string, string] => [name, one.summary]);
  const more = `Use "kubectl ${path} <command> --help" for more information about a given command.`;
  return [
    group.summary,
    "",
    "Available Commands:",
    ...list(rows),
    "",
    "Usage:",
    `  kubectl ${group.usage}`,
    "",
    more,
    "",
  ].join("\n");
}

export function helpOf(_path: string, command: AnyCommand): string {
  const examples = command.examples ? ["Examples:", ...command.examples.map((one) => `  ${one}`), ""] : [];
  const options = Object.entries(command.flags)
    .sort(([a], [b]) => a.localeCompare(b))
    .flatMap(([name, spec]) => [`    ${option(name, spec)}:`, `\t${spec.help}`, ""]);
  return [
    command.summary,
    "",
    ...examples,
    ...(options.length > 0 ? ["Options:", ...options] : []),
    "Usage:",
    `  kubectl ${command.usage}`,
    "",
  ].join("\n");
}

function option(name: string, spec: FlagSpec): string {
  const value = spec.type === "list" ? "[]" : (spec.default ?? (spec.type === "boolean" ? false : ""));
  const shown = typeof value === "string" && spec.type !== "list" ? `'${value}'` : String(value);
  return `${spec.short ? `-${spec.short}, ` : ""}--${name}=${shown}`;
}

function list(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, summary]) => `  ${name.padEnd(width)}   ${summary}`);
}
