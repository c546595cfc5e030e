/**
 * Newer: what a request may ask for that an older containerd would silently ignore.
 *
 * containerd drops fields it does not know, so asking for one it lacks must be refused here,
 * by name. Calls it lacks are answered Unimplemented by containerd itself.
 */

import { CriError } from "../../cri/errors.ts";
import type { ContainerConfig, PodSandboxConfig } from "../../cri/messages.ts";

export type Version = readonly [major: number, minor: number];

/** "1.6.20~ds1", "v2.0.5" ► [1, 6], [2, 0]. */
export function parseVersion(text: string): Version {
  const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major), Number(minor)];
}

interface Feature<C> {
  readonly name: string;
  readonly since: Version;
  asked(config: C): boolean;
}

const container: readonly Feature<ContainerConfig>[] = [
  {
    name: "a stop signal",
    since: [2, 1],
    asked: ({ stopSignal }) => (stopSignal ?? "RUNTIME_DEFAULT") !== "RUNTIME_DEFAULT",
  },
  {
    name: "a recursively read-only mount",
    since: [2, 0],
    asked: ({ mounts }) => mounts?.some((mount) => mount.recursiveReadOnly) ?? false,
  },
  {
    name: "supplementalGroupsPolicy Strict",
    since: [2, 0],
    asked: ({ linux }) => linux?.securityContext?.supplementalGroupsPolicy === "Strict",
  },
];

const sandbox: readonly Feature<PodSandboxConfig>[] = [
  {
    name: "a user namespace",
    since: [2, 0],
    asked: ({ linux }) => linux?.securityContext?.namespaceOptions?.usernsOptions?.mode === "POD",
  },
];

/** Throws Unimplemented for the first feature that `version` lacks. */
export function refuseNewer(
  version: Version,
  config: { sandbox: PodSandboxConfig; container?: ContainerConfig },
): void {
  const asked = [
    ...sandbox.filter((feature) => feature.asked(config.sandbox)),
    ...(config.container ? container.filter((feature) => feature.asked(config.container as ContainerConfig)) : []),
  ];
  const lacking = asked.find(({ since }) => !atLeast(version, since));
  if (lacking) {
    const needs = `${lacking.name} needs containerd ${lacking.since.join(".")} or newer`;
    throw new CriError("Unimplemented", `${needs}; this machine has ${version.join(".")}`);
  }
}

export function atLeast([major, minor]: Version, [wantedMajor, wantedMinor]: Version): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
