/**
 * Container configuration: what CreateContainer gets, once image, environment and mounts are known. Pure.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { ContainerConfig, IDMapping, Image, Mount } from "../cri/messages.ts";
import type { EnvVar } from "./env.ts";
import { expand } from "./expansion.ts";
import { CONTAINER_NAME, containerAnnotations, identityLabels } from "./labels.ts";
import { containerLogPath } from "./paths.ts";
import { containerResources, type Machine } from "./resources.ts";
import { containerSecurity, type SecuritySettings } from "./security.ts";

export interface ContainerParts {
  readonly attempt: number;
  readonly image: Image;
  /** As the runtime wants it named: the image's id. */
  readonly imageRef: string;
  readonly env: readonly EnvVar[];
  readonly mounts: readonly Mount[];
  readonly devices?: NonNullable<ContainerConfig["devices"]>;
  readonly machine: Machine;
  readonly security: SecuritySettings;
  /** The container that an ephemeral one looks into. */
  readonly target?: string | undefined;
  /** The Pod's own users, as ids of the host. */
  readonly users?: IDMapping | undefined;
}

export function containerConfig(pod: Pod, container: Container, parts: ContainerParts): ContainerConfig {
  const { attempt, env } = parts;
  const values = new Map(env.map(({ key, value }) => [key, value]));
  const expanded = (words: readonly string[] = []) => words.map((word) => expand(word, (name) => values.get(name)));
  const stopSignal = container.lifecycle?.stopSignal;
  return {
    metadata: { name: container.name, attempt },
    image: { image: parts.imageRef, userSpecifiedImage: container.image ?? "" },
    command: expanded(container.command),
    args: expanded(container.args),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    envs: env,
    mounts: parts.users ? parts.mounts.map((mount) => ({ ...mount, ...mappings(parts.users) })) : parts.mounts,
    ...(parts.devices?.length ? { devices: parts.devices } : {}),
    labels: { ...identityLabels(pod), [CONTAINER_NAME]: container.name },
    annotations: containerAnnotations(pod, container, attempt),
    logPath: containerLogPath(container.name, attempt),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: containerResources(pod, container, parts.machine),
      securityContext: containerSecurity(pod, container, parts.image, parts.security, parts),
    },
    ...(stopSignal ? { stopSignal } : {}),
  };
}

/** Files that root owns on the host are the Pod's own root's inside. */
function mappings(users: IDMapping | undefined): Pick<Mount, "uidMappings" | "gidMappings"> {
  return users ? { uidMappings: [users], gidMappings: [users] } : {};
}
