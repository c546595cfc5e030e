/**
 * Stopping runtime: the runtime, as long as the kubelet lives.
 *
 * A kubelet that stops must begin nothing more, whatever is still under way in this process: the
 * next one may be at work already.
 */
import type { Runtime } from "./cri/contract.ts";
import { CriError } from "./cri/errors.ts";

/** These end by their own signal, or free what was made. */
const FREE: ReadonlySet<PropertyKey> = new Set(["getContainerEvents", "close"]);

export function untilStopped(cri: Runtime, signal: AbortSignal): Runtime {
  return new Proxy(cri, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function" || FREE.has(name)) return member;
      return (...args: unknown[]) =>
        signal.aborted
          ? Promise.reject(new CriError("Canceled", "the kubelet is stopping"))
          : (Reflect.apply(member, target, args) as unknown);
    },
  });
}
