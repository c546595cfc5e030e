/**
 * Security: a container's security context as the runtime takes it. Pure.
 *
 * The container's own fields stand before the Pod's. `runAsNonRoot` is checked against the image
 * here, since only here both are known.
 */
import { join } from "node:path";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type {
  IDMapping,
  Image,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SecurityProfile,
} from "../cri/messages.ts";
import { allContainers, podName } from "./pod-spec.ts";

const MASKED = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
/** An empty list would mean the runtime's own; what is not there cannot be hidden. */
const NOTHING = ["/proc/.nothing"];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** What the node's administrator says. */
export interface SecuritySettings {
  /** Where profiles lie that Pods name as localhostProfile. */
  readonly seccompProfiles: string;
  /** Whether containers that ask for no profile get the runtime's. */
  readonly seccompDefault: boolean;
}

/** `users` stands for the Pod's own users on the host, where it has some. */
export function namespaceOptions(pod: Pod, users?: IDMapping): NamespaceOption {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  return {
    network: hostNetwork ? "NODE" : "POD",
    pid: hostPID ? "NODE" : shareProcessNamespace ? "POD" : "CONTAINER",
    ipc: hostIPC ? "NODE" : "POD",
    ...(users ? { usernsOptions: { mode: "POD", uids: [users], gids: [users] } as const } : {}),
  };
}

export function sandboxSecurity(pod: Pod, users?: IDMapping): LinuxSandboxSecurityContext {
  const { runAsUser, runAsGroup, seLinuxOptions } = pod.spec?.securityContext ?? {};
  return {
    namespaceOptions: namespaceOptions(pod, users),
    privileged: allContainers(pod).some(({ container }) => container.securityContext?.privileged === true),
    seccomp: { profileType: "RuntimeDefault" },
    ...(runAsUser === undefined ? {} : { runAsUser: { value: runAsUser } }),
    ...(runAsGroup === undefined || runAsUser === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
    ...(seLinuxOptions ? { selinuxOptions: seLinuxOptions } : {}),
    ...groups(pod),
  };
}

type User = Pick<Image, "uid" | "username">;

export interface Joined {
  /** The id of the container whose processes an ephemeral one sees. */
  readonly target?: string | undefined;
  /** The Pod's own users, as ids of the host. */
  readonly users?: IDMapping | undefined;
}

export function containerSecurity(
  pod: Pod,
  container: Container,
  image: User,
  settings: SecuritySettings,
  { target, users }: Joined = {},
): LinuxContainerSecurityContext {
  const own = container.securityContext ?? {};
  const podWide = pod.spec?.securityContext ?? {};
  checkNonRoot(pod, container, image);
  const runAsGroup = own.runAsGroup ?? podWide.runAsGroup;
  const selinux = own.seLinuxOptions ?? podWide.seLinuxOptions;
  const apparmor = own.appArmorProfile ?? podWide.appArmorProfile;
  const open = own.privileged === true || own.procMount === "Unmasked";
  const namespaces = namespaceOptions(pod, users);
  const joins = target !== undefined && namespaces.pid === "CONTAINER";
  return {
    namespaceOptions: joins ? { ...namespaces, pid: "TARGET", targetId: target } : namespaces,
    privileged: own.privileged === true,
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: open ? NOTHING : MASKED,
    readonlyPaths: open ? NOTHING : READ_ONLY,
    seccomp: seccomp(own.seccompProfile ?? podWide.seccompProfile, settings),
    ...user(own.runAsUser ?? podWide.runAsUser, image),
    ...(runAsGroup === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
    ...(selinux ? { selinuxOptions: selinux } : {}),
    ...(apparmor ? { apparmor: appArmor(apparmor) } : {}),
    ...(own.capabilities
      ? {
          capabilities: {
            addCapabilities: own.capabilities.add ?? [],
            dropCapabilities: own.capabilities.drop ?? [],
          },
        }
      : {}),
    ...groups(pod),
  };
}

function user(runAsUser: number | undefined, image: User): Partial<LinuxContainerSecurityContext> {
  if (runAsUser !== undefined) return { runAsUser: { value: runAsUser } };
  if (image.uid) return { runAsUser: image.uid };
  return image.username ? { runAsUsername: image.username } : { runAsUser: { value: 0 } };
}

/** fsGroup and supplementalGroups: every process of the Pod is in them. */
function groups(pod: Pod): Pick<LinuxContainerSecurityContext, "supplementalGroups" | "supplementalGroupsPolicy"> {
  const { fsGroup, supplementalGroups = [], supplementalGroupsPolicy } = pod.spec?.securityContext ?? {};
  return {
    supplementalGroups: [...(fsGroup === undefined ? [] : [fsGroup]), ...supplementalGroups],
    ...(supplementalGroupsPolicy === "Strict" ? { supplementalGroupsPolicy: "Strict" } : {}),
  };
}

interface Profile {
  readonly type: string;
  readonly localhostProfile?: string;
}

/** A profile of the host's is a file. */
function seccomp(asked: Profile | undefined, settings: SecuritySettings): SecurityProfile {
  if (!asked) return { profileType: settings.seccompDefault ? "RuntimeDefault" : "Unconfined" };
  const profileType = asked.type as SecurityProfile["profileType"];
  if (profileType !== "Localhost") return { profileType };
  if (!asked.localhostProfile) throw new Error("localhostProfile must be set if seccompProfile type is Localhost.");
  return { profileType, localhostRef: join(settings.seccompProfiles, asked.localhostProfile) };
}

/** A profile of the host's is a name. */
function appArmor({ type, localhostProfile }: Profile): SecurityProfile {
  return {
    profileType: type as SecurityProfile["profileType"],
    ...(localhostProfile ? { localhostRef: localhostProfile } : {}),
  };
}

/** Throws in Kubernetes' words when `runAsNonRoot` would be broken. */
function checkNonRoot(pod: Pod, container: Container, image: User): void {
  const own = container.securityContext ?? {};
  const podWide = pod.spec?.securityContext ?? {};
  if (!(own.runAsNonRoot ?? podWide.runAsNonRoot)) return;
  const where = `(pod: "${podName(pod)}", container: ${container.name})`;
  const asked = own.runAsUser ?? podWide.runAsUser;
  if (asked === 0) throw new Error(`container's runAsUser breaks non-root policy ${where}`);
  if (asked !== undefined) return;
  if (!image.uid && image.username) {
    throw new Error(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
  if ((image.uid?.value ?? 0) === 0) {
    throw new Error(`container has runAsNonRoot and image will run as root ${where}`);
  }
}
