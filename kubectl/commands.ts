/**
 * The table of commands: name, summary and the file that has it. Only the command that runs is imported.
 */
import type { AnyCommand, CommandGroup } from "./command.ts";

export const sections = {
  basic: "Basic Commands",
  deploy: "Deploy Commands",
  cluster: "Cluster Management Commands",
  troubleshooting: "Troubleshooting and Debugging Commands",
  advanced: "Advanced Commands",
  settings: "Settings Commands",
  other: "Other Commands",
} as const;

export interface CommandEntry {
  readonly section: keyof typeof sections;
  readonly summary: string;
  load(): Promise<AnyCommand | CommandGroup>;
}

const entry = (
  section: keyof typeof sections,
  summary: string,
  load: () => Promise<AnyCommand | CommandGroup>,
): CommandEntry => ({ section, summary, load });

export const commands: Readonly<Record<string, CommandEntry>> = {
  create: entry(
    "basic",
    "Create a resource from a file or from stdin",
    async () => (await import("./commands/create.ts")).create,
  ),
  get: entry("basic", "Display one or many resources", async () => (await import("./commands/get.ts")).get),
  delete: entry(
    "basic",
    "Delete resources by file names, stdin, resources and names, or by resources and label selector",
    async () => (await import("./commands/delete.ts")).deleteCommand,
  ),
  apply: entry(
    "advanced",
    "Apply a configuration to a resource by file name or stdin",
    async () => (await import("./commands/apply.ts")).apply,
  ),
};
