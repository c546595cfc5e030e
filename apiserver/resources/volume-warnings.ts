/**
 * Warnings about volumes: drivers that are gone, and files that hide a token.
 *
 * Wording: pkg/api/pod/warnings.go.
 */
import type { Volume } from "../../machinery/objects/kinds.ts";
import { type At, child, item } from "./path.ts";
import type { Warn } from "./warn.ts";

/** Field ► what became of it, in the order of the warnings; the name that Kubernetes prints where it differs. */
const GONE: readonly (readonly [keyof Volume & string, string, string?])[] = [
  ["photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"],
  ["gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"],
  ["scaleIO", "deprecated in v1.16, non-functional in v1.22+"],
  ["flocker", "deprecated in v1.22, non-functional in v1.25+"],
  ["storageos", "deprecated in v1.22, non-functional in v1.25+", "storageOS"],
  ["quobyte", "deprecated in v1.22, non-functional in v1.25+"],
  ["glusterfs", "deprecated in v1.25, non-functional in v1.26+"],
  ["cephfs", "deprecated in v1.28, non-functional in v1.31+"],
  ["rbd", "deprecated in v1.28, non-functional in v1.31+"],
];

export function volumeWarnings(volumes: readonly Volume[], path: At, warn: Warn): void {
  const tokens = new Set<string>();
  for (let index = 0; index < volumes.length; index++) {
    const volume = volumes[index]!;
    for (const [field, text, name = field] of GONE) {
      if (volume[field] !== undefined) warn(child(item(path, index), name), text);
    }
    for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
      if (serviceAccountToken) tokens.add(serviceAccountToken.path);
    }
  }
  if (tokens.size > 0) hiddenTokens(volumes, tokens, path, warn);
}

function hiddenTokens(volumes: readonly Volume[], tokens: ReadonlySet<string>, path: At, warn: Warn): void {
  for (const [index, { projected }] of volumes.entries()) {
    const at = child(child(item(path, index), "projected"), "sources");
    const check = (file: string | undefined, where: At): void => {
      if (file && tokens.has(file)) warn(where, `has duplicated path with ServiceAccountToken ${JSON.stringify(file)}`);
    };
    for (const { configMap, secret, downwardAPI, clusterTrustBundle } of projected?.sources ?? []) {
      for (const [place, one] of (configMap?.items ?? []).entries())
        check(one.path, item(child(at, "configMap"), place));
      for (const [place, one] of (secret?.items ?? []).entries()) check(one.path, item(child(at, "secrets"), place));
      for (const [place, one] of (downwardAPI?.items ?? []).entries()) {
        check(one.path, item(child(at, "downwardAPI"), place));
      }
      check(clusterTrustBundle?.path, child(at, "ClusterTrustBundle"));
    }
  }
}
