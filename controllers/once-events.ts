/**
 * Once events: tells the same thing about an object once, however often it is looked at meanwhile.
 *
 * For what is waited for, where every look finds the same. Another message, or a start of the
 * process, tells it again.
 */
import { keyOf, type ObjectKey } from "../machinery/client/informer.ts";
import type { EventRecorder, Subject } from "../machinery/loop/controller.ts";

type Tell = (events: EventRecorder, about: Subject, reason: string, message: string) => void;

export interface OnceEvents {
  readonly normal: Tell;
  readonly warning: Tell;
  /** The object is gone. */
  forget(key: ObjectKey): void;
}

export function createOnceEvents(): OnceEvents {
  /** What was told last of each object. */
  const told = new Map<ObjectKey, string>();
  const once = (about: Subject, reason: string, message: string): boolean => {
    const key = keyOf(about);
    const text = `${about.metadata.uid} ${reason} ${message}`;
    if (told.get(key) === text) return false;
    told.set(key, text);
    return true;
  };
  return {
    normal: (events, about, reason, message) => {
      if (once(about, reason, message)) events.normal(about, reason, message);
    },
    warning: (events, about, reason, message) => {
      if (once(about, reason, message)) events.warning(about, reason, message);
    },
    forget: (key) => void told.delete(key),
  };
}
