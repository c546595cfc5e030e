/**
 * Mirrored statuses: writes what is told of a static Pod to its mirror, whichever that is now.
 *
 * A status is kept while there is no mirror, and written once there is one. All other Pods pass through.
 */
import type { Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import type { StatusWriter } from "../pods/status-writer.ts";
import { isMirror, isStatic, MIRROR } from "./marks.ts";

export interface MirroredStatuses extends StatusWriter {
  /** A Pod is no longer in the API. */
  gone(pod: Pod): void;
}

export function mirroredStatuses(inner: StatusWriter): MirroredStatuses {
  /** By the static Pod's uid. */
  const latest = new Map<string, PodStatus>();
  const mirrors = new Map<string, Pod>();

  const staticUid = ({ metadata }: Pod): string => metadata.annotations?.[MIRROR] ?? "";

  return {
    set(pod, status) {
      if (!isStatic(pod)) return inner.set(pod, status);
      const { uid } = pod.metadata;
      latest.set(uid, status);
      const mirror = mirrors.get(uid);
      if (mirror) inner.set(mirror, status);
    },
    current: (uid) => latest.get(uid) ?? mirrors.get(uid)?.status ?? inner.current(uid),
    seen(pod) {
      inner.seen(pod);
      if (!isMirror(pod)) return;
      const before = mirrors.get(staticUid(pod));
      if (before && before.metadata.uid !== pod.metadata.uid) inner.forget(before.metadata.uid);
      mirrors.set(staticUid(pod), pod);
      const status = latest.get(staticUid(pod));
      if (status && !pod.metadata.deletionTimestamp) inner.set(pod, status);
    },
    gone(pod) {
      if (!isMirror(pod)) return;
      inner.forget(pod.metadata.uid);
      if (mirrors.get(staticUid(pod))?.metadata.uid === pod.metadata.uid) mirrors.delete(staticUid(pod));
    },
    written: (uid) => inner.written(mirrors.get(uid)?.metadata.uid ?? uid),
    forget(uid) {
      latest.delete(uid);
      const mirror = mirrors.get(uid);
      if (mirror) inner.forget(mirror.metadata.uid);
      else inner.forget(uid);
    },
  };
}
