/**
 * Custom messages: the part of the Schema that comes and goes with CustomResourceDefinitions.
 *
 * A kind's messages are made when somebody first asks for one of them, so that kinds that nobody applies or
 * patches cost a name each. What the messages say: ../custom/messages.ts.
 */
import type { GroupVersionKind, Message } from "./contract.ts";

interface Entry {
  readonly kind: GroupVersionKind;
  readonly load: () => readonly Message[];
  parts: readonly Message[] | undefined;
}

export class CustomMessages {
  private readonly entries = new Map<string, Entry>();
  private readonly names = new Map<string, string>();
  private readonly loaded = new Map<string, Message>();

  add(kind: GroupVersionKind, name: string, load: () => readonly Message[]): () => void {
    const key = `${kind.group}/${kind.version}/${kind.kind}`;
    const entry: Entry = { kind, load, parts: undefined };
    this.remove(name);
    this.entries.set(name, entry);
    this.names.set(key, name);
    return () => {
      if (this.entries.get(name) !== entry) return;
      this.remove(name);
      if (this.names.get(key) === name) this.names.delete(key);
    };
  }

  /** "" for a kind that is not there. */
  nameOf(key: string): string {
    return this.names.get(key) ?? "";
  }

  kindOf(name: string): GroupVersionKind | undefined {
    return this.entries.get(name)?.kind;
  }

  message(name: string): Message | undefined {
    const entry = this.entries.get(name);
    if (entry && !entry.parts) {
      entry.parts = entry.load();
      for (const part of entry.parts) this.loaded.set(part.name, part);
    }
    return this.loaded.get(name);
  }

  private remove(name: string): void {
    for (const part of this.entries.get(name)?.parts ?? []) this.loaded.delete(part.name);
    this.entries.delete(name);
  }
}
