/**
 * Kubectls: the real kubectl programs of this machine, found by themselves, and ours.
 *
 * A dispatcher may choose another version by the server it meets: the numbered programs beside it
 * are called directly.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

export interface Kubectl {
  /** "1.33", or "ours". */
  readonly version: string;
  readonly command: readonly string[];
}

export const ours: Kubectl = { version: "ours", command: [join(import.meta.dirname, "..", "..", "k8ts"), "kubectl"] };

/** Real ones, oldest first. */
export function realKubectls(): readonly Kubectl[] {
  const first = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((place) => join(place, "kubectl"))
    .find(isProgram);
  if (!first) return [];
  const place = dirname(realpathSync(first));
  const numbered = readdirSync(place)
    .flatMap((file) => /^kubectl\.(\d+)\.(\d+)$/.exec(file) ?? [])
    .filter((part, index) => index % 3 === 0 && isProgram(join(place, part)))
    .map((file) => ({ version: file.slice("kubectl.".length), command: [join(place, file)] }))
    .toSorted((a, b) => minor(a.version) - minor(b.version));
  return numbered.length ? numbered : [{ version: versionOf(first), command: [first] }];
}

/** The oldest and the newest: what the tests talk to in full. */
export function endsOf(all: readonly Kubectl[]): readonly Kubectl[] {
  const ends = [all[0], all.at(-1)].filter((one) => one !== undefined);
  return [...new Set(ends)];
}

function versionOf(program: string): string {
  const text = execFileSync(program, ["version", "--client", "-o", "json"], { encoding: "utf8" });
  const { major, minor: small } = (JSON.parse(text) as { clientVersion: { major: string; minor: string } })
    .clientVersion;
  return `${major}.${small.replace(/\D/g, "")}`;
}

const minor = (version: string) => Number(version.split(".")[1] ?? 0);

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not a program
  }
}
