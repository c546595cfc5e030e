/**
 * Functions: all libraries that an expression may use, by name, and the types that have a name.
 *
 * They are those of Kubernetes: no more, so that what is accepted here is accepted there.
 */
import type { CelType } from "./contract.ts";
import { type Overload, types, typeType } from "./declarations.ts";

export class Functions {
  private readonly byName = new Map<string, Overload[]>();
  readonly typeNames = new Map<string, CelType>();

  constructor(overloads: readonly Overload[], namedTypes: Readonly<Record<string, CelType>>) {
    for (const overload of overloads) {
      const same = this.byName.get(overload.name);
      if (same) same.push(overload);
      else this.byName.set(overload.name, [overload]);
    }
    for (const [name, type] of Object.entries({ ...builtin, ...namedTypes })) this.typeNames.set(name, typeType(type));
  }

  named(name: string): readonly Overload[] | undefined {
    return this.byName.get(name);
  }
}

const builtin: Readonly<Record<string, CelType>> = {
  bool: types.bool,
  int: types.int,
  uint: types.uint,
  double: types.double,
  string: types.string,
  bytes: types.bytes,
  null_type: types.null,
  dyn: types.dyn,
  list: { kind: "list", of: types.dyn },
  map: { kind: "map", key: types.dyn, value: types.dyn },
  type: { kind: "type", of: types.dyn },
  "google.protobuf.Timestamp": types.timestamp,
  "google.protobuf.Duration": types.duration,
  optional_type: { kind: "optional", of: types.dyn },
};
