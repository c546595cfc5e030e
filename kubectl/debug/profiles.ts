/**
 * Profiles: what a debugging container may do, and how isolated its Pod is: `kubectl debug --profile`. Pure.
 *
 * The legacy profile leaves Pods as they are; all others take away from a copied Pod what would make it serve.
 */
import type { Container, Pod, PodSpec } from "../../machinery/objects/kinds.ts";

/** What is made: a container in a running Pod, a copy of a Pod, or a Pod on a node. */
export type Style = "ephemeral" | "copy" | "node";

export interface KeepFlags {
  readonly "keep-labels": boolean;
  readonly "keep-annotations": boolean;
  readonly "keep-liveness": boolean;
  readonly "keep-readiness": boolean;
  readonly "keep-startup": boolean;
  readonly "keep-init-containers": boolean;
}

/** A Pod in the making; an ephemeral container is one of `containers` here. */
export interface Draft {
  readonly metadata: Pod["metadata"];
  readonly spec: PodSpec;
}

type Change = (draft: Draft, container: string) => Draft;

interface Profile {
  readonly common?: readonly Change[];
  readonly ephemeral?: readonly Change[];
  readonly copy?: readonly Change[];
  readonly node?: readonly Change[];
  readonly keepsAll?: true;
}

const withSpec = (draft: Draft, spec: Partial<PodSpec>): Draft => ({ ...draft, spec: { ...draft.spec, ...spec } });

type SecurityContext = NonNullable<Container["securityContext"]>;

/** Changes the debugging container alone. */
const onContainer =
  (change: (container: Container) => Container): Change =>
  (draft, name) =>
    withSpec(draft, {
      containers: (draft.spec.containers as Container[]).map((one) => (one.name === name ? change(one) : one)),
    });

const secured = (more: (before: SecurityContext) => SecurityContext): Change =>
  onContainer((one) => ({ ...one, securityContext: more(one.securityContext ?? {}) }));

const adding = (...names: readonly string[]): Change =>
  secured((before) => {
    const add = before.capabilities?.add ?? [];
    const more = names.filter((name) => !add.includes(name));
    return { ...before, capabilities: { ...before.capabilities, add: [...add, ...more] } };
  });

const ofHost: Change = (draft) => withSpec(draft, { hostNetwork: true, hostPID: true, hostIPC: true });
/** Unless the line says otherwise. */
const shared: Change = (draft) => withSpec(draft, { shareProcessNamespace: draft.spec.shareProcessNamespace ?? true });

const unlabelled: Change = ({ metadata: { labels: _, ...metadata }, spec }) => ({ metadata, spec });

const rootMounted: Change = (draft, name) =>
  onContainer((one) => ({
    ...one,
    volumeMounts: [...(one.volumeMounts ?? []), { mountPath: "/host", name: "host-root" }],
  }))(
    withSpec(draft, {
      volumes: [...(draft.spec.volumes ?? []), { name: "host-root", hostPath: { path: "/" } as never }],
    }),
    name,
  );

const cleared: Change = (draft, name) =>
  onContainer(({ securityContext: _, ...one }) => one)(
    (({ spec: { securityContext: _, ...spec }, ...rest }) => ({ ...rest, spec }))(draft) as Draft,
    name,
  );

const confined = secured((before) => ({
  ...before,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
}));

const privileged = secured((before) => ({ ...before, privileged: true }));

const PROFILES: Readonly<Record<string, Profile>> = {
  legacy: { copy: [unlabelled], node: [rootMounted, ofHost], keepsAll: true },
  general: {
    ephemeral: [adding("SYS_PTRACE")],
    copy: [adding("SYS_PTRACE"), shared],
    node: [rootMounted, cleared, ofHost],
  },
  baseline: { common: [cleared], copy: [shared] },
  restricted: { common: [cleared, confined], copy: [shared] },
  netadmin: { common: [adding("NET_ADMIN", "NET_RAW")], copy: [shared], node: [ofHost] },
  sysadmin: { common: [privileged], copy: [shared], node: [rootMounted, ofHost] },
};

export const profileNames: readonly string[] = Object.keys(PROFILES);

export function applyProfile(name: string, style: Style, draft: Draft, container: string, keep: KeepFlags): Draft {
  const profile = PROFILES[name] as Profile;
  const start = style === "copy" && !profile.keepsAll ? stripped(draft, keep) : draft;
  const changes = [...(profile.common ?? []), ...(profile[style] ?? [])];
  return changes.reduce((one, change) => change(one, container), start);
}

/** A copy must not be taken for the original by Services and controllers, nor be restarted by probes. */
function stripped({ metadata, spec }: Draft, keep: KeepFlags): Draft {
  const { labels, annotations, ...named } = metadata;
  const { initContainers, ...rest } = spec;
  const containers = (spec.containers as Container[]).map((one) => {
    const { livenessProbe, readinessProbe, startupProbe, ...bare } = one;
    return {
      ...bare,
      ...(keep["keep-liveness"] && livenessProbe ? { livenessProbe } : {}),
      ...(keep["keep-readiness"] && readinessProbe ? { readinessProbe } : {}),
      ...(keep["keep-startup"] && startupProbe ? { startupProbe } : {}),
    };
  });
  return {
    metadata: {
      ...named,
      ...(keep["keep-labels"] && labels ? { labels } : {}),
      ...(keep["keep-annotations"] && annotations ? { annotations } : {}),
    },
    spec: { ...rest, ...(keep["keep-init-containers"] && initContainers ? { initContainers } : {}), containers },
  };
}
